#include "groups/simulation/cluster.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

namespace squall::simulation {
namespace {

constexpr Time in_ten_seconds = Time{} + std::chrono::seconds(10);

/// Every member sends `count` messages; returns what each member delivered, in order.
std::vector<std::vector<std::string>> exchange(const Options& options, std::size_t count) {
  std::vector<std::vector<std::string>> delivered(options.members);
  Cluster cluster(options, [&](Rank member, const multicast::Delivery& message) {
    delivered[member].push_back(
        fmt::format("{}:{}:{}", message.sender, message.number, as_text(message.bytes)));
  });
  const std::size_t senders = options.senders.empty() ? options.members : options.senders.size();
  std::vector<std::size_t> sent(options.members);
  cluster.set_application([&](Rank member) {
    if (sent[member] == count ||
        !cluster.try_send(member, as_bytes(fmt::format("{} of {}", sent[member], member))))
      return false;
    ++sent[member];
    return true;
  });
  const bool complete = cluster.run_until(
      [&] {
        for (const auto& list : delivered)
          if (list.size() < count * senders) return false;
        return true;
      },
      in_ten_seconds);
  CHECK(complete);
  return delivered;
}

TEST_CASE("total | stable: every member delivers every message in one order") {
  Options options;
  const auto delivered = exchange(options, 500);
  REQUIRE(delivered[0].size() == 1500);
  CHECK(delivered[0] == delivered[1]);
  CHECK(delivered[0] == delivered[2]);
}

TEST_CASE("one sender among four members, with lazy receivers") {
  Options options;
  options.members = 4;
  options.senders = {2};
  options.laziness = {1, 7, 1, 3};
  const auto delivered = exchange(options, 700);
  REQUIRE(delivered[0].size() == 700);
  for (Rank rank = 1; rank < 4; ++rank) CHECK(delivered[0] == delivered[rank]);
}

TEST_CASE("fifo: each sender's order is kept") {
  Options options;
  options.stack = "fifo";
  options.network.jitter = std::chrono::microseconds(300);
  const auto delivered = exchange(options, 300);
  for (const auto& list : delivered) {
    REQUIRE(list.size() == 900);
    std::vector<int> next(3);
    for (const std::string& message : list) {
      const auto sender = static_cast<std::size_t>(message[0] - '0');
      CHECK(message == fmt::format("{}:{}:{} of {}", sender, next[sender], next[sender], sender));
      ++next[sender];
    }
  }
}

TEST_CASE("who takes long to deliver the rest of a view is not taken for dead in the next one") {
  // Of 500 messages, each takes c's application two milliseconds.
  Options options;
  options.senders = {0};
  options.upcalls = {{}, {}, std::chrono::milliseconds(2)};
  const auto timeout = options.member.timing.timeout;
  std::vector<std::size_t> delivered(3);
  Cluster cluster(options, [&](Rank member, const multicast::Delivery&) { ++delivered[member]; });
  REQUIRE(cluster.start(in_ten_seconds));
  std::size_t sent = 0;
  while (cluster.try_send(0, as_bytes("slow"))) ++sent;
  REQUIRE(sent > 500);
  REQUIRE(cluster.run_until([&] { return delivered[0] == sent; }, in_ten_seconds));
  REQUIRE(delivered[2] < sent / 2);
  const Time died = cluster.now();
  cluster.crash(1);
  REQUIRE(cluster.run_until([&] { return delivered[2] == sent; }, in_ten_seconds));
  CHECK(cluster.now() - died > 3 * timeout);
  const auto runs = [&](Rank rank) {
    return cluster.turn(rank).phase() == engine::Turn::Phase::running;
  };
  REQUIRE(cluster.run_until([&] { return runs(0) && runs(2); }, in_ten_seconds));
  CHECK(raw(cluster.turn(0).view().id) == 2);
  CHECK(cluster.turn(0).view().size() == 2);
}

TEST_CASE("who notices a silence first is not lost to one that is held up and has not yet") {
  // The accusation of a member that ranks before does not spread, so a finds out for itself.
  Options options;
  const membership::Timing timing = options.member.timing;
  Cluster cluster(options, [](Rank, const multicast::Delivery&) {});
  REQUIRE(cluster.start(in_ten_seconds));
  const auto phase = [&](Rank rank) { return cluster.state(rank).phase(); };
  using Phase = engine::Turn::Phase;
  cluster.stall(1, in_ten_seconds);
  // Not for so long that the others have no contact with it.
  while (phase(2) == Phase::running && cluster.now() < in_ten_seconds) {
    cluster.stall(0, cluster.now() + timing.contact() * 5 / 6);
    cluster.run_until([&] { return phase(2) != Phase::running; }, cluster.now() + timing.contact());
  }
  // It sees that c has cut its mirrors, and is held up for longer than that is excused.
  cluster.stall(0, cluster.now());
  cluster.run_until([] { return false; }, cluster.now() + 1ms);
  REQUIRE(phase(0) == Phase::running);
  cluster.stall(0, cluster.now() + timing.timeout * 3 / 4);
  const auto came = [&](Rank rank) {
    return phase(rank) == Phase::stopped || raw(cluster.state(rank).view().id) == 2;
  };
  REQUIRE(cluster.run_until([&] { return came(0) && came(2); }, in_ten_seconds));
  for (const Rank rank : {0, 2}) {
    CAPTURE(rank);
    CHECK(phase(rank) != Phase::stopped);
    REQUIRE(cluster.state(rank).view().size() == 2);
    CHECK(cluster.state(rank).view().members[1].name == "c");
  }
}

TEST_CASE("the survivors of a death go on in the next view, within 10 ms, with the same messages") {
  for (Rank victim = 0; victim < 3; ++victim) {
    CAPTURE(victim);
    Options options;
    std::vector<std::vector<std::string>> delivered(3);
    Cluster cluster(options, [&](Rank member, const multicast::Delivery& message) {
      delivered[member].emplace_back(as_text(message.bytes));
    });
    REQUIRE(cluster.start(in_ten_seconds));
    std::vector<int> sent(3);
    cluster.set_application([&](Rank member) {
      return sent[member] < 400 &&
             cluster.try_send(member, as_bytes(fmt::format("{}:{}", member, sent[member]))) &&
             ++sent[member] != 0;
    });
    REQUIRE(cluster.run_until([&] { return delivered[(victim + 1) % 3].size() >= 100; },
                              in_ten_seconds));
    const Time died = cluster.now();
    cluster.crash(victim);
    const auto done = [&](Rank rank) {
      return rank == victim || cluster.turn(rank).view().size() == 2;
    };
    REQUIRE(cluster.run_until([&] { return done(0) && done(1) && done(2); }, in_ten_seconds));
    CHECK(cluster.now() - died < std::chrono::milliseconds(10));
    const Rank one = victim == 0 ? 1 : 0, other = victim == 2 ? 1 : 2;
    const auto own = [&](Rank rank) {
      return std::ranges::count_if(delivered[rank], [&](const std::string& text) {
        return text.front() != static_cast<char>('0' + victim);
      });
    };
    REQUIRE(
        cluster.run_until([&] { return own(one) == 800 && own(other) == 800; }, in_ten_seconds));
    CHECK(delivered[one] == delivered[other]);
    CHECK(raw(cluster.turn(one).view().id) == 2);
    REQUIRE(cluster.run_until(
        [&] {
          return cluster.turn(one).phase() == engine::Turn::Phase::running &&
                 cluster.turn(other).phase() == engine::Turn::Phase::running;
        },
        in_ten_seconds));
    REQUIRE(cluster.try_send(other, as_bytes("9:in the new view")));
    REQUIRE(
        cluster.run_until([&] { return own(one) == 801 && own(other) == 801; }, in_ten_seconds));
  }
}

TEST_CASE(
    "a member that is late to begin costs nobody: patience begins when the group has formed") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Options options;
    options.seed = seed;
    // When it has come, it is slower than the others, too.
    options.laziness.assign(3, 1);
    options.laziness[seed % 3] = 10'000;
    Cluster cluster(options, [](Rank, const multicast::Delivery&) {});
    const Duration late = options.member.timing.timeout * 3 / 4 + seed * 5ms;
    cluster.stall(static_cast<Rank>(seed % 3), cluster.now() + late);
    REQUIRE(cluster.start(in_ten_seconds));
    const Time end = cluster.now() + 2 * options.member.timing.timeout;
    cluster.run_until([&] { return cluster.now() >= end; }, end);
    for (Rank rank = 0; rank < 3; ++rank) {
      CHECK(cluster.state(rank).phase() == engine::Turn::Phase::running);
      CHECK(cluster.state(rank).view().size() == 3);
    }
  }
}

TEST_CASE("a pause of the whole machine costs nobody: it is not held against others, nor oneself") {
  for (const Duration pause : {300ms, 1000ms, 60000ms}) {
    Options options;
    Cluster cluster(options, [](Rank, const multicast::Delivery&) {});
    REQUIRE(cluster.start(in_ten_seconds));
    const Time end = cluster.now() + pause;
    for (Rank rank = 0; rank < 3; ++rank) cluster.stall(rank, end);
    cluster.run_until([&] { return cluster.now() >= end + 1s; }, end + 1s);
    for (Rank rank = 0; rank < 3; ++rank) {
      CHECK(cluster.state(rank).phase() == engine::Turn::Phase::running);
      CHECK(cluster.state(rank).view().size() == 3);
      CHECK_FALSE(cluster.state(rank).isolated());
    }
  }
}

TEST_CASE("a group whose only sender died goes on, with nothing to deliver") {
  Options options;
  options.senders = {1};
  std::size_t delivered = 0;
  Cluster cluster(options, [&](Rank, const multicast::Delivery&) { ++delivered; });
  REQUIRE(cluster.start(in_ten_seconds));
  REQUIRE(cluster.try_send(1, as_bytes("last words")));
  REQUIRE(cluster.run_until([&] { return delivered == 3; }, in_ten_seconds));
  cluster.crash(1);
  const auto settled = [&](Rank rank) {
    return cluster.turn(rank).view().size() == 2 &&
           cluster.turn(rank).phase() == engine::Turn::Phase::running;
  };
  REQUIRE(cluster.run_until([&] { return settled(0) && settled(2); }, in_ten_seconds));
  CHECK_FALSE(cluster.try_send(0, as_bytes("not a sender")));
  cluster.turn(0).finish();
  cluster.turn(2).finish();
  CHECK(cluster.run_until([&] { return cluster.turn(0).finished() && cluster.turn(2).finished(); },
                          in_ten_seconds));
}

TEST_CASE("deaths, one after another: from five to two, and rank 0 alone of two") {
  Options options;
  options.members = 5;
  std::vector<std::size_t> delivered(5);
  Cluster cluster(options, [&](Rank member, const multicast::Delivery&) { ++delivered[member]; });
  REQUIRE(cluster.start(in_ten_seconds));
  for (const Rank victim : {0u, 3u, 1u, 4u}) {
    const auto before = delivered[2];
    REQUIRE(cluster.try_send(2, as_bytes("still here")));
    REQUIRE(cluster.run_until([&] { return delivered[2] > before; }, in_ten_seconds));
    const Rank left = cluster.turn(2).view().size() - 1;
    cluster.crash(victim);
    REQUIRE(
        cluster.run_until([&] { return cluster.turn(2).view().size() == left; }, in_ten_seconds));
  }
  CHECK(raw(cluster.turn(2).view().id) == 5);
  CHECK(cluster.turn(2).self() == 0);
}

TEST_CASE("a member leaves under load: the others go on, and nothing that it sent is missing") {
  for (Rank leaver = 0; leaver < 3; ++leaver) {
    CAPTURE(leaver);
    Options options;
    std::vector<std::vector<std::string>> delivered(3);
    Cluster cluster(options, [&](Rank member, const multicast::Delivery& message) {
      delivered[member].emplace_back(as_text(message.bytes));
    });
    REQUIRE(cluster.start(in_ten_seconds));
    std::vector<int> sent(3);
    cluster.set_application([&](Rank member) {
      return sent[member] < (member == leaver ? 50 : 400) &&
             cluster.try_send(member, as_bytes(fmt::format("{}:{}", member, sent[member]))) &&
             ++sent[member] != 0;
    });
    REQUIRE(cluster.run_until([&] { return sent[leaver] == 50; }, in_ten_seconds));
    cluster.turn(leaver).leave();
    REQUIRE(cluster.run_until([&] { return cluster.turn(leaver).left(); }, in_ten_seconds));
    CHECK_FALSE(cluster.turn(leaver).failure());
    cluster.crash(leaver);
    const Rank one = leaver == 0 ? 1 : 0, other = leaver == 2 ? 1 : 2;
    REQUIRE(cluster.run_until(
        [&] { return delivered[one].size() == 850 && delivered[other].size() == 850; },
        in_ten_seconds));
    CHECK(delivered[one] == delivered[other]);
    CHECK(std::equal(delivered[leaver].begin(), delivered[leaver].end(), delivered[one].begin()));
    CHECK(cluster.turn(one).view().size() == 2);
    CHECK(raw(cluster.turn(one).view().id) == 2);
  }
}

TEST_CASE("all members leave at once: the last view is of one, and everyone is out") {
  Options options;
  std::size_t delivered = 0;
  Cluster cluster(options, [&](Rank, const multicast::Delivery&) { ++delivered; });
  REQUIRE(cluster.start(in_ten_seconds));
  for (Rank rank = 0; rank < 3; ++rank) {
    REQUIRE(cluster.try_send(rank, as_bytes("last words")));
    cluster.turn(rank).leave();
  }
  REQUIRE(cluster.run_until(
      [&] { return cluster.turn(0).left() && cluster.turn(1).left() && cluster.turn(2).left(); },
      in_ten_seconds));
  CHECK(delivered == 9);
}

TEST_CASE("a clock shows what it was told, and says when it will") {
  constexpr Time start{};
  for (const std::int64_t drift : {0, 1, -1, 500, -500, 100'000}) {
    Clock clock(std::chrono::hours(3), drift);
    CHECK(clock.read(start) == start + 3h);
    for (const Duration later : {Duration(1), Duration(999'999), Duration(20ms), Duration(77s)}) {
      const Time shown = clock.read(start + later);
      CHECK(clock.when(shown) <= start + later);
      CHECK(clock.read(clock.when(shown)) >= shown);
      CHECK(clock.read(clock.when(shown) - Duration(1)) < shown);
    }
    CHECK(clock.when(never) == never);
  }
  CHECK(Clock(0s, 500).read(start + 10s) == start + 10s + 5ms);
}

TEST_CASE("clocks with nothing in common, one of which jumps an hour ahead, cost nobody anything") {
  Options options;
  options.clocks = {Clock(0s, 200), Clock(-5s, -300), Clock(std::chrono::hours(1000))};
  std::size_t delivered = 0;
  Cluster cluster(options, [&](Rank, const multicast::Delivery&) { ++delivered; });
  REQUIRE(cluster.start(in_ten_seconds));
  cluster.network().at(cluster.now() + 1s, [&] { cluster.jump_clock(1, std::chrono::hours(1)); });
  cluster.run_until([] { return false; }, cluster.now() + 2s);
  for (Rank rank = 0; rank < 3; ++rank) {
    CHECK(raw(cluster.state(rank).view().id) == 1);
    REQUIRE(cluster.try_send(rank, as_bytes("still here")));
  }
  CHECK(cluster.run_until([&] { return delivered == 9; }, in_ten_seconds));
}

TEST_CASE("members that finish together end in good order") {
  Options options;
  std::size_t delivered = 0;
  Cluster cluster(options, [&](Rank, const multicast::Delivery&) { ++delivered; });
  REQUIRE(cluster.start(in_ten_seconds));
  for (Rank rank = 0; rank < 3; ++rank) {
    REQUIRE(cluster.try_send(rank, as_bytes("last words")));
    cluster.turn(rank).finish();
  }
  REQUIRE(cluster.run_until(
      [&] {
        return cluster.turn(0).finished() && cluster.turn(1).finished() &&
               cluster.turn(2).finished();
      },
      in_ten_seconds));
  CHECK(delivered == 9);
}

}  // namespace
}  // namespace squall::simulation
