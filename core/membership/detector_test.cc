#include "core/membership/detector.h"

#include <doctest/doctest.h>

namespace squall::membership {
namespace {

constexpr Time start{1h};

/// Member 0 of three; the others answer everything that it sent.
struct Bench {
  Detector detector{3, 0, fast, start};
  Time now = start;
  Beat beats = 0;

  void turn(Duration later) { detector.turned(now += later); }
  void hear(Rank rank) { detector.heard(rank, ++beats, detector.newest_beat(), now); }
  /// An interval in which both others are heard.
  void live() {
    turn(fast.interval);
    detector.next_beat();
    hear(1), hear(2);
  }
};

TEST_CASE("a member is silent when the timeout has passed, and not a nanosecond before") {
  Bench bench;
  for (int i = 0; i < 20; ++i) bench.live();
  const Time last = bench.now;
  while (bench.now + fast.interval < last + fast.timeout) {
    bench.turn(fast.interval);
    bench.detector.next_beat();
    bench.hear(2);
  }
  bench.turn(last + fast.timeout - 1ns - bench.now);
  CHECK(!bench.detector.silent(1));
  CHECK(bench.detector.deadline() == last + fast.timeout);
  bench.turn(1ns);
  CHECK(bench.detector.silent(1));
  CHECK(!bench.detector.silent(2));
  CHECK(!bench.detector.silent(0));
  CHECK(bench.detector.quiet_for(1) == fast.timeout);

  bench.detector.next_beat();
  bench.hear(1);
  CHECK(!bench.detector.silent(1));
}

TEST_CASE("who is on its way from the view before is neither silent nor out of contact") {
  Bench bench;
  for (int i = 0; i < 40; ++i) {
    bench.turn(fast.interval);
    bench.detector.next_beat();
    bench.detector.on_its_way(1, bench.now);
  }
  CHECK(!bench.detector.silent(1));
  CHECK(bench.detector.in_contact(1));
  CHECK(!bench.detector.isolated());
  CHECK(bench.detector.silent(2));
  // It says no more that it is, and is not here either.
  for (Duration silence{0}; silence < fast.timeout; silence += fast.interval)
    bench.turn(fast.interval);
  CHECK(bench.detector.silent(1));
  CHECK(bench.detector.isolated());
}

TEST_CASE("members beat once in an interval, each at a moment of its own, whenever they began") {
  constexpr Rank members = 4;
  for (Rank rank = 0; rank < members; ++rank) {
    const Time own = start + rank * fast.interval / members;
    for (const Duration late : {0ns, 1ns, fast.interval / 2, fast.interval - 1ns}) {
      Detector detector(members, rank, fast, start);
      detector.turned(own + late);
      detector.next_beat();
      CHECK(detector.deadline() == own + fast.interval);
    }
    Detector detector(members, rank, fast, start + 3ms);
    CHECK(detector.beat_due());  // at once
    detector.next_beat();
    CHECK(detector.deadline() - (start + 3ms) <= fast.interval);
  }
}

TEST_CASE("a member that speaks but does not hear me is silent like any other") {
  Bench bench;
  for (int i = 0; i < 20; ++i) bench.live();
  const Beat last_echo = bench.detector.newest_beat();
  const Time last = bench.now;
  while (bench.now < last + fast.timeout) {
    CHECK(!bench.detector.silent(1));
    bench.turn(fast.interval);
    bench.detector.next_beat();
    bench.detector.heard(1, ++bench.beats, last_echo, bench.now);
    bench.hear(2);
  }
  CHECK(bench.detector.silent(1));
  CHECK(bench.detector.quiet_for(1) == 0ms);
  CHECK(bench.detector.deaf_for(1) == fast.timeout);
  CHECK(!bench.detector.in_contact(1));
}

TEST_CASE("echoes that repeat, or of what was never sent, are no news") {
  Bench bench;
  bench.live();
  const Beat old = bench.detector.newest_beat();
  for (Beat i = 0; i < 10; ++i) {
    bench.turn(fast.interval);
    bench.detector.next_beat();
    bench.detector.heard(1, 100 + i, old, bench.now);
    bench.detector.heard(2, 100 + i, ~Beat{0}, bench.now);
  }
  CHECK(bench.detector.silent(1));
  CHECK(bench.detector.silent(2));
  // Nor did the lie keep the true echo from being seen.
  bench.detector.heard(2, 1000, bench.detector.newest_beat(), bench.now);
  CHECK(!bench.detector.silent(2));
}

TEST_CASE("the newest beat is echoed, also when older ones come after it") {
  Bench bench;
  CHECK(bench.detector.heard(1, 7, 0, bench.now));
  bench.turn(1ms);
  CHECK(!bench.detector.heard(1, 5, 0, bench.now));
  CHECK(!bench.detector.heard(1, 7, 0, bench.now));
  CHECK(bench.detector.echo_for(1) == 7);
  CHECK(bench.detector.quiet_for(1) == 1ms);
  CHECK(bench.detector.echo_for(2) == 0);
}

TEST_CASE("a stall of this node is not held against the others") {
  Bench bench;
  for (int i = 0; i < 20; ++i) bench.live();
  const Duration lived = bench.detector.lived();
  bench.turn(10s);
  CHECK(bench.detector.lived() == lived + 2 * fast.interval);
  CHECK(!bench.detector.silent(1));
  CHECK(!bench.detector.silent(2));
  // But what the others did meanwhile is not known.
  CHECK(bench.detector.isolated());
  bench.detector.next_beat();
  bench.hear(1);
  CHECK(!bench.detector.isolated());
}

TEST_CASE("a clock that goes back, or does not go, is ignored") {
  Bench bench;
  for (int i = 0; i < 5; ++i) bench.live();
  const Duration lived = bench.detector.lived();
  bench.detector.turned(start);
  bench.detector.turned(bench.now);
  bench.detector.heard(1, 1000, bench.detector.newest_beat(), start);
  CHECK(bench.detector.lived() == lived);
  bench.turn(fast.interval);
  CHECK(bench.detector.lived() == lived + fast.interval);
  CHECK(bench.detector.in_contact(1));
}

TEST_CASE("contact lasts three intervals, and a member without a majority is isolated") {
  Bench bench;
  for (int i = 0; i < 5; ++i) bench.live();
  bench.turn(2 * fast.interval);
  bench.hear(1);  // a beat, but no new echo: none of mine was sent
  bench.turn(fast.interval - 1ns);
  CHECK(bench.detector.in_contact(1));
  CHECK(!bench.detector.isolated());
  bench.turn(1ns);
  CHECK(!bench.detector.in_contact(1));
  CHECK(!bench.detector.in_contact(2));
  CHECK(bench.detector.in_contact(0));
  CHECK(bench.detector.isolated());
}

TEST_CASE("who comes out of isolation gives everybody three intervals before they are silent") {
  Bench bench;
  for (int i = 0; i < 20; ++i) bench.live();
  for (Duration silence{0}; silence < fast.timeout; silence += fast.interval) {
    bench.turn(fast.interval);
    bench.detector.next_beat();
  }
  CHECK(bench.detector.isolated());
  CHECK(bench.detector.silent(1));
  CHECK(bench.detector.silent(2));
  bench.hear(1);
  CHECK(!bench.detector.isolated());
  CHECK(!bench.detector.silent(2));
  CHECK(!bench.detector.in_contact(2));
  const Time end = bench.now + fast.contact();
  while (bench.now + fast.interval < end) {
    bench.turn(fast.interval);
    bench.detector.next_beat();
    bench.hear(1);
  }
  bench.turn(end - 1ns - bench.now);
  CHECK(!bench.detector.silent(2));
  bench.turn(1ns);
  CHECK(bench.detector.silent(2));
  CHECK(!bench.detector.silent(1));
}

TEST_CASE("who is a majority alone is never isolated") {
  Detector alone(1, 0, fast, start), first(2, 0, fast, start), second(2, 1, fast, start);
  for (Time now = start; now < start + 1s; now += 1ms) {
    alone.turned(now), first.turned(now), second.turned(now);
    CHECK(!alone.isolated());
    CHECK(!first.isolated());
    CHECK(second.isolated() == (now >= start + fast.contact()));
  }
  CHECK(first.silent(1));
  CHECK(alone.answered_by_majority(alone.newest_beat()));
  CHECK(first.answered_by_majority(first.newest_beat()));
  CHECK(!second.answered_by_majority(0));
}

TEST_CASE("a beat is due at once, then an interval after the last one to everybody") {
  Bench bench;
  CHECK(bench.detector.beat_due());
  CHECK(bench.detector.next_beat() == 1);
  CHECK(!bench.detector.beat_due());
  bench.turn(fast.interval / 2);
  CHECK(bench.detector.extra_beat() == 2);  // does not put off the next
  CHECK(bench.detector.deadline() == start + fast.interval);
  bench.turn(fast.interval / 2 - 1ns);
  CHECK(!bench.detector.beat_due());
  bench.turn(1ns);
  CHECK(bench.detector.beat_due());
  CHECK(bench.detector.next_beat() == 3);
}

TEST_CASE("a majority has answered when it has echoed a later beat, not when it spoke later") {
  Bench bench;
  for (int i = 0; i < 5; ++i) bench.live();
  const Beat since = bench.detector.newest_beat();
  bench.turn(1ms);
  bench.hear(1);  // sent before it heard a later one
  CHECK(!bench.detector.answered_by_majority(since));
  bench.detector.next_beat();
  bench.hear(1);
  CHECK(bench.detector.answered_by_majority(since));
}

TEST_CASE("turning only at the deadlines finds the same moments as turning all the time") {
  Detector often(3, 0, fast, start), seldom(3, 0, fast, start);
  often.next_beat(), seldom.next_beat();
  Time now = start;
  for (; now < start + 500ms; now += 1ms) {
    often.turned(now);
    if (now >= seldom.deadline()) seldom.turned(now);
    if (often.beat_due()) often.next_beat(), seldom.next_beat();
    // 1 for 100 ms, 2 for 130 ms.
    for (Rank rank = 1; rank <= 2; ++rank) {
      if (now - start >= 70ms + rank * 30ms || (now - start) % 10ms != 0ns) continue;
      often.heard(rank, (now - start) / 1ms + 1, often.newest_beat(), now);
      seldom.heard(rank, (now - start) / 1ms + 1, seldom.newest_beat(), now);
    }
    for (Rank rank = 1; rank <= 2; ++rank) {
      CHECK(often.silent(rank) == seldom.silent(rank));
      CHECK(often.in_contact(rank) == seldom.in_contact(rank));
    }
    CHECK(seldom.deadline() > now);
  }
  CHECK(seldom.silent(1));
  CHECK(seldom.silent(2));
}

}  // namespace
}  // namespace squall::membership
