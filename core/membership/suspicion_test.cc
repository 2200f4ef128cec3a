#include "core/membership/suspicion.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <utility>

#include "core/base/random.h"
#include "core/membership/suspicion_world.h"

namespace squall::membership {
namespace {

/// How late the last survivor may be after a lost link: its ask and the answer.
constexpr Duration round_trip = 2 * World::hop;

RankSet only(Rank rank) {
  RankSet set;
  set.insert(rank);
  return set;
}

/// Names as the stories tell them: a, b, c by rank.
std::string told(World& world, Rank by, Rank suspect) {
  View view;
  for (const char* name : {"a", "b", "c", "d", "e"}) view.members.push_back({.name = name});
  return world[by].suspicion.evidence(suspect).text(view);
}

// --- stories

TEST_CASE("a killed member is accused by all survivors within one round trip") {
  for (Rank members = 3; members <= 5; ++members) {
    for (Rank killed = 0; killed < members; ++killed) {
      CAPTURE(members);
      CAPTURE(killed);
      World world(members);
      world.run(1007ms);
      world.kill(killed);
      world.run(World::hop + round_trip + 1ns);
      for (Rank rank = 0; rank < members; ++rank) {
        if (rank == killed) continue;
        CHECK(world.suspects(rank) == only(killed));
        CHECK(!world[rank].suspicion.accused_by_earlier());
      }
      CHECK(told(world, killed == 0 ? 1 : 0, killed) == "link lost: hung up");
      world.run(5s);
      CHECK(world.suspects(killed == 0 ? 1 : 0) == only(killed));
    }
  }
}

TEST_CASE("who took another's word says so, and how its own link was lost if it was") {
  World world(3);
  world.run(1s);
  world.lose_link(0, 2);  // only the first sees it
  world.run(10ms);
  CHECK(told(world, 0, 2) == "link lost: hung up");
  CHECK(told(world, 1, 2) == "accused by a");
  world.lose_link(1, 2);
  world.run(10ms);
  CHECK(told(world, 1, 2) == "accused by a, and link lost: hung up");
}

TEST_CASE("who stopped between a beat and an echo was silent; deaf is only who goes on beating") {
  World world(3);
  world.run(1s);
  // Its last beats echo nothing new.
  world.cut_one_way(0, 2);
  world.run(2 * fast.interval);
  world.stall(2, 1h);
  world.run(2 * fast.timeout);
  CHECK(told(world, 0, 2).starts_with("silent for "));
  World deaf(3);
  deaf.run(1s);
  deaf.cut_one_way(2, 0);
  deaf.run(2 * fast.timeout);
  CHECK(told(deaf, 2, 0).starts_with("has not heard this node for 2"));
}

TEST_CASE("a silent member is accused at the timeout and a round trip, not before") {
  for (Rank silent = 0; silent < 3; ++silent) {
    World world(3);
    world.run(1s);
    world.stall(silent, 1h);
    // Its last beat may have been sent a whole interval ago, and be on its way for a hop.
    world.run(fast.timeout - fast.interval - 1ns);
    CHECK(world.nobody_suspected());
    world.run(fast.interval + World::hop + round_trip + 1ns);
    CHECK(world.accusers_of(silent) == 2);
    const Rank other = silent == 0 ? 1 : 0;
    CHECK(world.suspects(other) == only(silent));
    CHECK(told(world, other, silent) == "silent for 200 ms");
  }
}

TEST_CASE("a one-way link costs the later of its two ends, whichever does not hear") {
  for (const auto& [from, to] : {std::pair<Rank, Rank>{0, 1}, {1, 0}, {1, 2}, {2, 0}, {2, 1}}) {
    CAPTURE(from);
    CAPTURE(to);
    const Rank earlier = std::min(from, to), later = std::max(from, to), third = 3 - from - to;
    World world(3);
    world.run(1s);
    world.cut_one_way(from, to);
    world.run(fast.timeout + 2 * fast.interval);
    CHECK(world.suspects(earlier) == only(later));
    CHECK(world.suspects(third) == only(later));
    CHECK(world[later].suspicion.accused_by_earlier());
    CHECK(!world[earlier].suspicion.accused_by_earlier());
    world.run(5s);
    CHECK(world.suspects(earlier) == only(later));
    CHECK(world.suspects(third) == only(later));
  }
}

TEST_CASE("of a link cut both ways exactly the later end is lost, in views of 3 to 5") {
  for (Rank members = 3; members <= 5; ++members) {
    for (Rank a = 0; a < members; ++a) {
      for (Rank b = a + 1; b < members; ++b) {
        CAPTURE(members);
        CAPTURE(a);
        CAPTURE(b);
        World world(members);
        world.run(1s);
        world.cut(a, b);
        world.run(fast.timeout + 2 * fast.interval);
        for (Rank rank = 0; rank < members; ++rank)
          if (rank != b) CHECK(world.suspects(rank) == only(b));
        CHECK((world.suspects(b) - only(a)).empty());
        CHECK(world[b].suspicion.accused_by_earlier());
      }
    }
  }
}

TEST_CASE("stop_then_continue: who was stopped itself accuses nobody when it comes back") {
  for (Rank stopped = 0; stopped < 3; ++stopped) {
    World world(3);
    // One of the others is far away, and answers late.
    world.set_network([stopped](Rank from, Rank to) {
      const Rank far = (stopped + 1) % 3;
      return from == far || to == far ? 8ms : World::hop;
    });
    world.run(1s);
    world.stall(stopped, 10s);
    world.run(15s);
    CHECK(world.accusers_of(stopped) == 2);
    // Of its own it has nothing against them. Rank 0 accuses its accusers back, by rule 4, and is
    // not heard: they suspect it.
    CHECK(world.suspects(stopped).size() == (stopped == 0 ? 2 : 0));
    if (stopped == 0) CHECK(told(world, 0, 2) == "accused this node, which ranks before it");
  }
}

TEST_CASE("slow_member: pauses shorter than half the timeout, of anyone, cost nobody") {
  for (Rank members = 2; members <= 4; ++members) {
    World world(members);
    Random random(members);
    for (int i = 0; i < 2000; ++i) {
      world.run(Duration(random.below(100'000'000)));
      const auto rank = static_cast<Rank>(random.below(members));
      // Not while it pauses already: that would be one longer pause.
      if (!world.stalled(rank))
        world.stall(rank,
                    Duration(random.below(static_cast<std::uint64_t>(fast.timeout.count()) / 2)));
    }
    CHECK(world.nobody_suspected());
    // Of two, rank 1 was isolated whenever rank 0 paused: saying so cost it nothing.
    if (members == 2) CHECK(world[1].ever_isolated);
  }
}

TEST_CASE("a deaf member accuses nobody, is isolated, and is the only one lost") {
  for (Rank members = 3; members <= 5; ++members) {
    for (Rank deaf = 0; deaf < members; ++deaf) {
      CAPTURE(members);
      CAPTURE(deaf);
      World world(members);
      world.run(1s);
      for (Rank rank = 0; rank < members; ++rank)
        if (rank != deaf) world.cut_one_way(rank, deaf);
      world.run(fast.contact());
      CHECK(world[deaf].detector.isolated());
      CHECK(world.nobody_suspected());
      world.run(2s);
      CHECK(world.suspects(deaf).empty());
      for (Rank rank = 0; rank < members; ++rank)
        if (rank != deaf) CHECK(world.suspects(rank) == only(deaf));
    }
  }
}

TEST_CASE("a mute member accuses nobody either, and is the only one lost") {
  for (Rank mute = 0; mute < 3; ++mute) {
    World world(3);
    world.run(1s);
    for (Rank rank = 0; rank < 3; ++rank)
      if (rank != mute) world.cut_one_way(mute, rank);
    world.run(2s);
    for (Rank rank = 0; rank < 3; ++rank)
      if (rank != mute) CHECK(world.suspects(rank) == only(mute));
    for (Rank rank = 0; rank < 3; ++rank)
      if (world.suspects(mute).contains(rank))
        CHECK(told(world, mute, rank) == "accused this node, which ranks before it");
  }
}

TEST_CASE("of two members rank 0 goes on alone, and rank 1 never accuses") {
  World first_dies(2);
  first_dies.run(1s);
  first_dies.kill(0);
  first_dies.run(10s);
  CHECK(first_dies.suspects(1).empty());
  CHECK(first_dies[1].detector.isolated());
  CHECK(told(first_dies, 1, 0) == "link lost: hung up");  // what it would accuse it of

  World second_dies(2);
  second_dies.run(1s);
  second_dies.kill(1);
  second_dies.run(World::hop + 1ns);
  CHECK(second_dies.suspects(0) == only(1));
  CHECK(!second_dies[0].detector.isolated());
}

TEST_CASE("a network that pauses for everybody, for less or more than the timeout, costs nobody") {
  for (Duration pause = 100ms; pause < 6s; pause += pause < 300ms ? 7ms : 397ms) {
    CAPTURE(pause.count());
    World world(4);
    world.run(1s);
    for (Rank a = 0; a < 4; ++a)
      for (Rank b = a + 1; b < 4; ++b) world.cut(a, b);
    world.run(pause);
    for (Rank rank = 0; rank < 4; ++rank) CHECK(world[rank].detector.isolated());
    world.heal();
    world.run(10s);
    CHECK(world.nobody_suspected());
    for (Rank rank = 0; rank < 4; ++rank) CHECK(!world[rank].detector.isolated());
  }
}

TEST_CASE("who is cut from a majority says so, and is lost also to those that still hear it") {
  // 0 hears 1 only. Without what it says of itself 1 would follow it, and the others 1.
  World world(5);
  world.run(1s);
  for (Rank rank = 2; rank < 5; ++rank) world.cut(0, rank);
  world.run(fast.timeout + 2 * fast.contact());
  for (Rank rank = 1; rank < 5; ++rank) CHECK(world.suspects(rank) == only(0));
  CHECK(told(world, 1, 0) == "says for 200 ms that it is cut off from a majority");
  CHECK(told(world, 2, 0).starts_with("silent for 2"));
  for (Rank rank = 1; rank < 5; ++rank) CHECK(!world[rank].suspicion.accused_by_earlier());
}

TEST_CASE("a lost data link between two that still hear each other costs the later one") {
  World world(4);
  world.run(1s);
  world.lose_link(1, 2);
  world.lose_link(2, 1);
  world.run(1s);
  for (const Rank rank : {0u, 1u, 3u}) CHECK(world.suspects(rank) == only(2));
  CHECK(world[2].suspicion.accused_by_earlier());
  CHECK(!world[1].suspicion.accused_by_earlier());
  CHECK(told(world, 3, 2).starts_with("accused by "));

  // Also when only the later one noticed: it is accused back.
  World one_sided(4);
  one_sided.run(1s);
  one_sided.lose_link(3, 1);
  one_sided.run(1s);
  for (const Rank rank : {0u, 1u, 2u}) CHECK(one_sided.suspects(rank) == only(3));
  CHECK(told(one_sided, 1, 3) == "accused this node, which ranks before it");
}

TEST_CASE("an idle group sends a pulse per member and interval, and no more") {
  World world(3);
  world.run(10s);
  for (Rank rank = 0; rank < 3; ++rank) {
    CHECK(world[rank].pulses_sent <= 2 * (1 + 10s / fast.interval));  // one at once
    CHECK(world[rank].pulses_sent >= 2 * (10s / fast.interval) - 2);
  }
}

TEST_CASE("what waits for a majority is asked once") {
  Suspicion suspicion(2, 1);
  const Detector detector(2, 1, fast, Time{});
  suspicion.link_lost(0, "gone");
  suspicion.step(detector);
  CHECK(suspicion.asks());
  suspicion.step(detector);
  CHECK(!suspicion.asks());
}

// --- single steps

/// The suspicion of `self` in a view of 5, fed by hand.
struct Hand {
  explicit Hand(Rank rank) : suspicion(5, rank), detector(5, rank, fast, Time{}) {}
  /// A pulse of `from` that accuses `suspects`, of which it spreads `spreading`.
  void pulse(Rank from, const RankSet& suspects, const RankSet& spreading) {
    Pulse pulse;
    pulse.beat = 1;
    pulse.suspects = suspects;
    pulse.spreading = spreading;
    suspicion.pulse(from, pulse);
  }
  Suspicion suspicion;
  Detector detector;
};

TEST_CASE("what spreads is taken over and passed on, also by those after the accused") {
  Hand hand(4);
  hand.pulse(3, only(2), only(2));  // 3 has it of somebody before 2
  hand.suspicion.step(hand.detector);
  CHECK(hand.suspicion.suspects() == only(2));
  CHECK(hand.suspicion.spreading() == only(2));
  CHECK(hand.suspicion.fresh() == only(2));
  hand.suspicion.step(hand.detector);
  CHECK(hand.suspicion.fresh().empty());
}

TEST_CASE("what does not spread is not taken over") {
  Hand hand(4);
  hand.pulse(3, only(2), {});
  hand.suspicion.step(hand.detector);
  CHECK(hand.suspicion.suspects().empty());
}

TEST_CASE("a member after the accused that learns of an earlier accuser passes its word on") {
  Hand hand(4);
  hand.suspicion.link_lost(2, "gone");
  hand.suspicion.step(hand.detector);
  CHECK(hand.suspicion.asks());
  const Beat beat = hand.detector.next_beat();
  hand.detector.heard(0, 1, beat, Time{});
  hand.detector.heard(1, 1, beat, Time{});
  hand.suspicion.step(hand.detector);
  CHECK(hand.suspicion.suspects() == only(2));
  CHECK(hand.suspicion.spreading().empty());
  hand.pulse(1, only(2), only(2));
  CHECK(hand.suspicion.spreading() == only(2));
}

TEST_CASE("who is accused by an earlier rank accuses nobody back, whoever passed it on") {
  for (const Rank from : {0u, 1u, 3u, 4u}) {
    Hand hand(2);
    // What an earlier rank says of me spreads, whether it says so or not.
    hand.pulse(from, only(2) | only(1), from == 1 ? RankSet{} : only(2));
    hand.suspicion.step(hand.detector);
    CHECK(hand.suspicion.suspects().empty());
    CHECK(hand.suspicion.accused_by_earlier());
  }
}

TEST_CASE("who is accused by a later rank accuses it back, and that spreads") {
  Hand hand(2);
  hand.pulse(4, only(2), {});
  hand.suspicion.step(hand.detector);
  CHECK(hand.suspicion.suspects() == only(4));
  CHECK(hand.suspicion.spreading() == only(4));
  CHECK(!hand.suspicion.accused_by_earlier());
}

TEST_CASE("what a suspect says counts for nothing, nor what one says who accuses me") {
  Hand accused(2);
  accused.pulse(4, only(2) | only(3), only(3));
  accused.pulse(1, only(2) | only(3), only(2) | only(3));
  CHECK(accused.suspicion.suspects().empty());

  Hand hand(2);
  hand.pulse(1, only(4), only(4));
  CHECK(hand.suspicion.suspects() == only(4));
  hand.pulse(4, only(3), only(3));
  hand.pulse(4, only(2), {});
  hand.suspicion.step(hand.detector);
  CHECK(hand.suspicion.suspects() == only(4));
}

TEST_CASE("what one says while it is isolated counts only if it says it again") {
  for (const bool spreads : {false, true}) {
    Hand hand(2);
    Pulse pulse;
    pulse.beat = 1;
    pulse.isolated = true;
    pulse.suspects = only(spreads ? 3 : 2);
    if (spreads) pulse.spreading = only(3);
    hand.suspicion.pulse(4, pulse);
    hand.suspicion.step(hand.detector);
    CHECK(hand.suspicion.suspects().empty());
    pulse.isolated = false;
    hand.suspicion.pulse(4, pulse);
    hand.suspicion.step(hand.detector);
    CHECK(hand.suspicion.suspects() == only(spreads ? 3 : 4));
  }
  Hand led(2);
  Pulse pulse;
  pulse.beat = 1;
  pulse.suspects = pulse.spreading = only(2);
  led.suspicion.pulse(1, pulse);
  CHECK(led.suspicion.accused_by_earlier());
  pulse.isolated = true;
  led.suspicion.pulse(1, pulse);
  CHECK(!led.suspicion.accused_by_earlier());
}

TEST_CASE("who is isolated, or accused by an earlier rank too, accuses nobody back") {
  Hand isolated(2);
  isolated.pulse(4, only(2), {});
  isolated.detector.turned(Time{} + fast.contact());
  isolated.suspicion.step(isolated.detector);
  CHECK(isolated.suspicion.suspects().empty());
  const Beat beat = isolated.detector.next_beat();
  isolated.detector.heard(0, 1, beat, Time{} + fast.contact());
  isolated.detector.heard(4, 1, beat, Time{} + fast.contact());
  isolated.suspicion.step(isolated.detector);
  CHECK(isolated.suspicion.suspects() == only(4));

  Hand accused(2);
  accused.pulse(4, only(2), {});
  accused.pulse(3, only(2), only(2));
  accused.suspicion.step(accused.detector);
  CHECK(accused.suspicion.suspects().empty());
  accused.pulse(3, {}, {});
  accused.suspicion.step(accused.detector);
  CHECK(accused.suspicion.suspects() == only(4));
}

TEST_CASE("the accused may lead again once its accuser is silent; its fence is no evidence") {
  Hand hand(1);
  Time now{};
  const auto answered = [&](std::initializer_list<Rank> ranks) {
    now += fast.interval;
    hand.detector.turned(now);
    const Beat beat = hand.detector.next_beat();
    for (const Rank rank : ranks) hand.detector.heard(rank, beat, beat, now);
    hand.suspicion.step(hand.detector);
  };
  hand.suspicion.link_lost(0, "hung up");  // to suspect is to fence, and the word comes behind it
  hand.pulse(0, only(1), only(1));
  for (Duration lasted{}; lasted < 2 * fast.timeout; lasted += fast.interval)
    answered({0, 2, 3, 4});
  CHECK(hand.suspicion.suspects().empty());
  CHECK(hand.suspicion.accused_by_earlier());
  for (Duration lasted{}; lasted < 2 * fast.timeout; lasted += fast.interval) answered({2, 3, 4});
  CHECK(hand.suspicion.suspects() == only(0));
  CHECK(!hand.suspicion.accused_by_earlier());
}

TEST_CASE("silence that ends before a majority answered is forgiven, a lost link is not") {
  for (const bool link : {false, true}) {
    Hand hand(0);
    Time now{};
    for (; now < Time{} + fast.timeout; now += fast.interval) {
      hand.detector.turned(now);
      hand.detector.next_beat();
    }
    hand.detector.turned(now);
    if (link) hand.suspicion.link_lost(1, "gone");
    hand.suspicion.step(hand.detector);
    CHECK(hand.suspicion.asks());
    CHECK(hand.suspicion.suspects().empty());
    CHECK(hand.suspicion.evidence(1).kind != Evidence::Kind::none);
    const Beat beat = hand.detector.next_beat();
    for (Rank rank = 1; rank < 5; ++rank) hand.detector.heard(rank, 1, beat, now);
    hand.suspicion.step(hand.detector);
    CHECK(hand.suspicion.suspects() == (link ? only(1) : RankSet{}));
    CHECK((hand.suspicion.evidence(1).kind == Evidence::Kind::none) == !link);
  }
}

TEST_CASE("answers count from when the evidence was there, not from when it was first there") {
  Hand hand(0);
  Time now{};
  Beat beat = 0;
  const auto live = [&](Duration time, Rank last) {
    for (const Time until = now + time; now < until; now += fast.interval) {
      hand.detector.turned(now);
      const Beat mine = hand.detector.next_beat();
      ++beat;
      for (Rank rank = 1; rank <= last; ++rank) hand.detector.heard(rank, beat, mine, now);
      hand.suspicion.step(hand.detector);
    }
  };
  live(100ms, 4);
  live(300ms, 0);  // everybody is silent, nobody is accused
  CHECK(hand.suspicion.suspects().empty());
  live(100ms, 4);  // forgiven
  live(300ms, 0);  // the answers of a moment ago are none to this
  CHECK(hand.suspicion.suspects().empty());
  live(100ms, 4);
  live(100ms, 3);
  CHECK(hand.suspicion.suspects().empty());
  live(150ms, 3);
  CHECK(hand.suspicion.suspects() == only(4));
}

}  // namespace
}  // namespace squall::membership
