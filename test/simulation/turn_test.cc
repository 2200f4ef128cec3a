// A node as a state machine (core/engine/turn.h), in small groups in simulation: how it starts,
// whom it names, how it stops and how it leaves.

#include "core/engine/turn.h"

#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/base/random.h"
#include "core/mirror/frame.h"
#include "groups/simulation/cluster.h"
#include "groups/stack/stack.h"
#include "providers/sim/sim.h"

namespace squall::scenarios {
namespace {

using engine::Turn;
using simulation::Cluster;
using simulation::Options;
using Phase = Turn::Phase;

constexpr Time deadline = Time{} + 2s;

void ignore(Rank, const multicast::Delivery&) {}

bool has(const std::optional<Error>& failure, std::string_view text) {
  return failure && failure->text().find(text) != std::string::npos;
}

TEST_CASE("who waits names whom it waits for, until everyone is there") {
  Options options;
  Cluster cluster(options, ignore);
  CHECK(cluster.turn(0).phase() == Phase::forming);
  CHECK(cluster.turn(0).waiting_for() == "b, c");
  CHECK(cluster.turn(1).waiting_for() == "a, c");
  CHECK(cluster.turn(0).channel(0) == nullptr);
  REQUIRE(cluster.start(deadline));
  for (Rank rank = 0; rank < 3; ++rank) CHECK(cluster.turn(rank).waiting_for().empty());
  CHECK(cluster.turn(0).channel(0) != nullptr);
  CHECK(cluster.turn(0).channel(1) == nullptr);
}

TEST_CASE("a member that never comes is lost by name, once its connection times out") {
  Options options;
  options.network.connect_timeout = 10ms;
  Cluster cluster(options, ignore);
  cluster.crash(2);
  REQUIRE(cluster.run_until(
      [&] {
        return cluster.turn(0).phase() == Phase::stopped &&
               cluster.turn(1).phase() == Phase::stopped;
      },
      deadline));
  CHECK(has(cluster.turn(0).failure(), "member c was lost"));
  CHECK(has(cluster.turn(1).failure(), "member c was lost"));
}

TEST_CASE("a member that dies at any moment of the start stops the others, or they go on") {
  int stopped = 0, gone_on = 0;
  for (int microseconds = 0; microseconds < 200; microseconds += 10) {
    CAPTURE(microseconds);
    Options options;
    options.network.connect_timeout = 10ms;
    Cluster cluster(options, ignore);
    cluster.network().at(Time{} + std::chrono::microseconds(microseconds),
                         [&] { cluster.crash(1); });
    const auto are = [&](Phase phase) {
      return cluster.turn(0).phase() == phase && cluster.turn(2).phase() == phase;
    };
    const auto in_next = [&] {
      return are(Phase::running) && raw(cluster.turn(0).view().id) == 2 &&
             raw(cluster.turn(2).view().id) == 2;
    };
    REQUIRE(cluster.run_until([&] { return are(Phase::stopped) || in_next(); }, deadline));
    if (in_next()) {
      ++gone_on;
      continue;
    }
    ++stopped;
    CHECK(has(cluster.turn(0).failure(), "member b was lost"));
  }
  // The first view is formed at some moment between.
  CHECK(stopped > 0);
  CHECK(gone_on > 0);
}

TEST_CASE("nothing is delivered while nobody listens, and all of it once somebody does") {
  Options options;
  options.members = 2;
  std::size_t got = 0;
  Cluster cluster(options, ignore);
  cluster.turn(1).on_deliver(0, nullptr);
  REQUIRE(cluster.start(deadline));
  for (int message = 0; message < 10; ++message) REQUIRE(cluster.try_send(0, as_bytes("m")));
  CHECK_FALSE(cluster.run_until([] { return false; }, cluster.now() + 5ms));
  CHECK(cluster.turn(1).channel(0)->delivered() == 0);
  cluster.turn(1).on_deliver(0, [&](const multicast::Delivery&) { ++got; });
  CHECK(cluster.run_until([&] { return got == 10; }, cluster.now() + 5ms));
}

TEST_CASE("the rendezvous may say who is gone: the same as its link lost") {
  Options options;
  Cluster cluster(options, ignore);
  REQUIRE(cluster.start(deadline));
  cluster.turn(0).lose(0, "nobody loses itself");
  cluster.turn(0).lose(2, "said goodbye");
  REQUIRE(cluster.run_until([&] { return cluster.turn(2).phase() == Phase::stopped; }, deadline));
  CHECK(has(cluster.turn(2).failure(), "the others have gone on without this member"));
  REQUIRE(cluster.run_until(
      [&] {
        return cluster.turn(0).phase() == Phase::running &&
               cluster.turn(1).phase() == Phase::running;
      },
      deadline));
  CHECK(cluster.turn(1).view().size() == 2);
}

TEST_CASE("of two, the first goes on alone when the second dies") {
  Options options;
  options.members = 2;
  std::size_t got = 0;
  Cluster cluster(options, [&](Rank member, const multicast::Delivery&) { got += member == 0; });
  REQUIRE(cluster.start(deadline));
  std::vector<std::string> gone;
  cluster.turn(0).on_view([&](const engine::Installed& installed) { gone = installed.gone; });
  REQUIRE(cluster.try_send(0, as_bytes("before")));
  cluster.crash(1);
  REQUIRE(cluster.run_until([&] { return cluster.turn(0).view().size() == 1; }, deadline));
  REQUIRE(gone.size() == 1);
  CHECK(gone[0] == "b: link lost: crashed");
  REQUIRE(cluster.try_send(0, as_bytes("after")));
  CHECK(cluster.run_until([&] { return got == 2; }, deadline));
}

TEST_CASE("of two, the second has no majority without the first: it delivers nothing, and stops") {
  Options options;
  options.members = 2;
  std::size_t got = 0;
  Cluster cluster(options, [&](Rank, const multicast::Delivery&) { ++got; });
  REQUIRE(cluster.start(deadline));
  cluster.crash(0);
  const Time died = cluster.now();
  REQUIRE(cluster.try_send(1, as_bytes("to nobody")));
  REQUIRE(cluster.run_until([&] { return cluster.turn(1).phase() == Phase::stopped; }, deadline));
  CHECK(got == 0);
  CHECK(has(cluster.turn(1).failure(), "no majority of the view is left: member a was lost: "));
  CHECK(cluster.now() - died >= options.member.patience);
  CHECK(cluster.now() - died < options.member.patience + options.member.timing.timeout);
}

TEST_CASE("who joined and are alone before anyone told them where the order stands stop") {
  const auto stack = Stack::parse("total | stable");
  REQUIRE(stack);
  for (const bool joins : {false, true})
    for (const Rank count : {1, 2, 3}) {
      CAPTURE(joins);
      CAPTURE(count);
      sim::Network network(sim::Options{});
      std::vector<std::unique_ptr<fabric::Fabric>> fabrics;
      std::vector<engine::Contact> contacts;
      View view;
      view.id = ViewId{4};
      for (Rank rank = 0; rank < count; ++rank) {
        const std::string name(1, static_cast<char>('a' + rank));
        fabrics.push_back(network.open(name));
        contacts.push_back({fabrics.back()->address(), {}});
        view.members.push_back({NodeId{rank + 1u}, Incarnation{2}, name});
      }
      Turn::Options options;
      options.joins = joins;
      const engine::ChannelPlan plan{"test", {NodeId{1}}, false, 4096, stack->prepare()->stages};
      std::vector<std::unique_ptr<Turn>> turns;
      for (Rank rank = 0; rank < count; ++rank)
        turns.push_back(std::make_unique<Turn>(*fabrics[rank], view, rank, contacts,
                                               std::vector{plan}, options, Time{}));
      while (network.now() < Time{20ms}) {
        for (Rank rank = 0; rank < count; ++rank) {
          std::array<fabric::Event, 64> events;
          const std::size_t came = fabrics[rank]->poll(events);
          turns[rank]->run(network.now(), std::span(events).first(came));
        }
        network.run_until(network.now() + 100us);
      }
      for (const auto& turn : turns) {
        CHECK(turn->phase() == (joins ? Phase::stopped : Phase::running));
        CHECK(has(turn->failure(), "where the order of the group's messages stands") == joins);
      }
    }
}

TEST_CASE("a member whose frames are damaged is named, whether or not anybody listens") {
  for (const bool listens : {true, false}) {
    CAPTURE(listens);
    Options options;
    options.members = 2;
    options.stack = "fifo";
    Cluster cluster(options, ignore);
    REQUIRE(cluster.start(deadline));
    if (!listens) cluster.turn(0).on_deliver(0, nullptr);
    auto* const writer = cluster.turn(1).channel(0)->writer();
    mirror::RingWriter::Claim claim;
    REQUIRE(writer->claim(5, claim));
    // Its own memory goes wrong between commit and publish: the length, and with it all that
    // follows.
    const mirror::FrameHeader header{0x7fffffff, mirror::FrameKind::message, 0};
    std::memcpy(claim.message - sizeof(header), &header, sizeof(header));
    writer->commit(claim);
    const bool stopped = cluster.run_until(
        [&] { return cluster.turn(0).phase() == Phase::stopped; }, cluster.now() + 20ms);
    // Without a listener no frame is looked at.
    CHECK(stopped == listens);
    if (listens) CHECK(has(cluster.turn(0).failure(), "member b: its counters or frames"));
  }
}

TEST_CASE("leaving in good order: nobody is finished before everyone is, and all is delivered") {
  Options options;
  std::vector<std::size_t> got(3);
  Cluster cluster(options, [&](Rank member, const multicast::Delivery&) { ++got[member]; });
  REQUIRE(cluster.start(deadline));
  for (int message = 0; message < 20; ++message)
    for (Rank rank = 0; rank < 3; ++rank) REQUIRE(cluster.try_send(rank, as_bytes("last words")));
  cluster.turn(0).finish();
  cluster.turn(1).finish();
  CHECK_FALSE(cluster.run_until([&] { return cluster.turn(0).finished(); }, cluster.now() + 5ms));
  CHECK(cluster.turn(0).unfinished() == "c");
  cluster.turn(2).finish();
  REQUIRE(cluster.run_until(
      [&] {
        return cluster.turn(0).finished() && cluster.turn(1).finished() &&
               cluster.turn(2).finished();
      },
      deadline));
  for (const std::size_t count : got) CHECK(count == 60);
}

TEST_CASE("one that goes as soon as it is finished leaves nobody behind with an error") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    Options options;
    options.seed = options.network.seed = seed;
    options.network.jitter = 100us;
    options.network.loss_detection = 0us;
    options.laziness = {1, 1 + seed % 7, 1};
    Cluster cluster(options, ignore);
    REQUIRE(cluster.start(deadline));
    for (Rank rank = 0; rank < 3; ++rank) {
      REQUIRE(cluster.try_send(rank, as_bytes("last words")));
      cluster.turn(rank).finish();
    }
    std::size_t gone = 0;
    REQUIRE(cluster.run_until(
        [&] {
          for (Rank rank = 0; rank < 3; ++rank)
            if (cluster.alive(rank) && cluster.turn(rank).finished()) {
              CHECK_FALSE(cluster.turn(rank).failure());
              cluster.crash(rank);
              ++gone;
            }
          return gone == 3;
        },
        deadline));
  }
}

enum class Fourth { dies, finishes_and_dies, joins };

/// A fourth brings about another view, and at some time within `span` three finish, each of which
/// goes as soon as it has. Returns in how many of 400 runs they finished in that view.
std::size_t finish_beside(Fourth fourth, Duration span) {
  const bool joins = fourth == Fourth::joins;
  std::size_t later = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    Options options;
    options.members = joins ? 3 : 4;
    options.seed = options.network.seed = seed;
    options.network.jitter = 100us;
    options.network.loss_detection = 0us;
    options.laziness = {1, 1 + seed % 7, 1, 1};
    Cluster cluster(options, ignore);
    cluster.set_came([&](Rank came) { cluster.turn(came).finish(); });
    REQUIRE(cluster.start(deadline));
    const ViewId first = cluster.state(0).view().id;
    const auto until = static_cast<std::uint64_t>(span.count());
    const Time change = cluster.now() + span / 8;
    const Time end = cluster.now() + Duration(random.below(until));
    bool changed = false, ends = false;
    Rank gone = 0;
    const auto look_at = [&](Rank rank) {
      if (!cluster.alive(rank) || !cluster.is_member(rank)) return;
      REQUIRE_MESSAGE(!cluster.state(rank).failure(), cluster.state(rank).failure()->text());
      if (!cluster.state(rank).finished()) return;
      if (rank == 0) later += cluster.state(rank).view().id != first;
      cluster.crash(rank);
      ++gone;
      for (Rank other = 0; other < cluster.node_count(); ++other)
        if (cluster.alive(other) && cluster.is_member(other))
          cluster.turn(other).peer_finished(rank);
    };
    REQUIRE(cluster.run_until(
        [&] {
          if (cluster.now() >= change && !std::exchange(changed, true))
            joins ? static_cast<void>(cluster.join()) : cluster.crash(3);
          if (cluster.now() >= end && !std::exchange(ends, true))
            for (Rank rank = 0; rank < (fourth == Fourth::finishes_and_dies ? 4 : 3); ++rank)
              if (cluster.alive(rank)) cluster.turn(rank).finish();
          for (Rank rank = 0; rank < 3; ++rank) look_at(rank);
          return gone == 3;
        },
        deadline));
  }
  return later;
}

TEST_CASE("nor does one that goes while a death is being agreed on") {
  // Who dies before it has drained may have sent what only some have.
  CHECK(finish_beside(Fourth::dies, 400us) == 400);
  const std::size_t later = finish_beside(Fourth::finishes_and_dies, 400us);
  CHECK(later > 40);  // some before, and some after
  CHECK(later < 370);
}

TEST_CASE("nor does one that goes while somebody is let in") {
  const std::size_t later = finish_beside(Fourth::joins, 100ms);
  CHECK(later > 40);  // some before, and some after
  CHECK(later < 370);
}

/// Two of three leave, and what they have decided cannot reach the third.
struct Departure {
  Departure() : cluster(Options{}, ignore) {
    REQUIRE(cluster.start(deadline));
    for (const Rank rank : {0, 1}) cluster.turn(rank).leave();
    REQUIRE(cluster.run_until([&] { return cluster.turn(2).accepted() != nullptr; }, deadline));
    for (const char* name : {"a", "b"}) cluster.network().cut(name, "c");
    began = cluster.network().now();
  }
  Duration lasts() { return cluster.network().now() - began; }
  /// Whoever has left is gone.
  bool gone() {
    for (const Rank rank : {0, 1})
      if (cluster.alive(rank) && cluster.turn(rank).left()) cluster.crash(rank);
    return !cluster.alive(0) && !cluster.alive(1);
  }

  Cluster cluster;
  Time began{};
};

TEST_CASE("whoever leaves stays until those who go on know it, or could not go on") {
  Departure departure;
  Cluster& cluster = departure.cluster;
  REQUIRE(
      cluster.run_until([&] { return departure.gone() || departure.lasts() >= 100ms; }, deadline));
  CHECK(cluster.alive(0));
  CHECK(cluster.alive(1));
  for (const char* name : {"a", "b"}) cluster.network().heal(name, "c");
  REQUIRE(cluster.run_until([&] { return departure.gone() && cluster.turn(2).view().size() == 1; },
                            deadline));
  CHECK(departure.lasts() < 150ms);
  CHECK(cluster.turn(2).phase() == Phase::running);
}

TEST_CASE(
    "whoever leaves does not wait for one that knows it and still delivers what came before") {
  Options options;
  options.upcalls = {0ms, 0ms, 5ms};
  Cluster cluster(options, ignore);
  REQUIRE(cluster.start(deadline));
  for (int count = 0; count < 60; ++count) REQUIRE(cluster.try_send(1, as_bytes("much to do")));
  cluster.run_until([] { return false; }, cluster.now() + 1ms);
  cluster.turn(0).leave();
  REQUIRE(cluster.run_until([&] { return cluster.turn(0).left(); }, deadline));
  CHECK(cluster.turn(1).view().size() == 2);
  CHECK(cluster.turn(2).view().size() == 3);
  REQUIRE(cluster.run_until([&] { return cluster.turn(2).view().size() == 2; }, deadline + 2s));
}

TEST_CASE("whoever leaves does not wait for ever for those whom it cannot tell") {
  Departure departure;
  REQUIRE(departure.cluster.run_until([&] { return departure.gone(); }, deadline));
  CHECK(departure.lasts() < 4 * membership::fast.timeout);
}

}  // namespace
}  // namespace squall::scenarios
