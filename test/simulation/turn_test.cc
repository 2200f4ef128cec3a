// A node as a state machine (core/engine/turn.h), in small groups in simulation: how it starts,
// whom it names, how it stops and how it leaves.

#include "core/engine/turn.h"

#include <doctest/doctest.h>

#include <cstring>
#include <string>

#include "core/mirror/frame.h"
#include "groups/simulation/cluster.h"

namespace squall::scenarios {
namespace {

using engine::Turn;
using simulation::Cluster;
using simulation::Options;
using Phase = Turn::Phase;

constexpr Time limit = Time{} + 2s;

void ignore(Rank, const multicast::Delivered&) {}

bool has(const std::optional<Error>& failure, std::string_view text) {
  return failure && failure->text().find(text) != std::string::npos;
}

TEST_CASE("who waits names whom it waits for, until everyone is there") {
  Options options;
  Cluster cluster(options, ignore);
  CHECK(cluster.turn(0).phase() == Phase::connecting);
  CHECK(cluster.turn(0).waiting_for() == "b, c");
  CHECK(cluster.turn(1).waiting_for() == "a, c");
  CHECK(cluster.turn(0).channel(0) == nullptr);
  REQUIRE(cluster.start(limit));
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
      limit));
  CHECK(has(cluster.turn(0).failure(), "member c was lost"));
  CHECK(has(cluster.turn(1).failure(), "member c was lost"));
}

TEST_CASE("a member that dies at any moment of the start stops the others, with its name") {
  for (int microseconds = 0; microseconds < 200; microseconds += 10) {
    Options options;
    options.network.connect_timeout = 10ms;
    Cluster cluster(options, ignore);
    cluster.network().at(Time{} + std::chrono::microseconds(microseconds),
                         [&] { cluster.crash(1); });
    REQUIRE(cluster.run_until(
        [&] {
          return cluster.turn(0).phase() == Phase::stopped &&
                 cluster.turn(2).phase() == Phase::stopped;
        },
        limit));
    CHECK(has(cluster.turn(0).failure(), "member b was lost"));
  }
}

TEST_CASE("nothing is delivered while nobody listens, and all of it once somebody does") {
  Options options;
  options.members = 2;
  std::size_t got = 0;
  Cluster cluster(options, ignore);
  cluster.turn(1).on_deliver(0, nullptr);
  REQUIRE(cluster.start(limit));
  for (int message = 0; message < 10; ++message) REQUIRE(cluster.try_send(0, as_bytes("m")));
  CHECK_FALSE(cluster.run_until([] { return false; }, cluster.now() + 5ms));
  CHECK(cluster.turn(1).channel(0)->delivered() == 0);
  cluster.turn(1).on_deliver(0, [&](const multicast::Delivered&) { ++got; });
  CHECK(cluster.run_until([&] { return got == 10; }, cluster.now() + 5ms));
}

TEST_CASE("the rendezvous may say who is gone: the same as its link lost, and only once") {
  Options options;
  Cluster cluster(options, ignore);
  REQUIRE(cluster.start(limit));
  cluster.turn(0).lose(0, "nobody loses itself");
  CHECK_FALSE(cluster.turn(0).failure());
  cluster.turn(0).lose(2, "said goodbye");
  cluster.turn(0).lose(1, "later");
  CHECK(has(cluster.turn(0).failure(), "member c was lost: said goodbye"));
  REQUIRE(cluster.run_until([&] { return cluster.turn(0).phase() == Phase::stopped; }, limit));
}

TEST_CASE("a member whose frames are damaged is named, whether or not anybody listens") {
  for (const bool listens : {true, false}) {
    CAPTURE(listens);
    Options options;
    options.members = 2;
    options.stack = "fifo";
    Cluster cluster(options, ignore);
    REQUIRE(cluster.start(limit));
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
    if (listens) CHECK(has(cluster.turn(0).failure(), "member b was lost: its counters or frames"));
  }
}

TEST_CASE("leaving in good order: nobody is finished before everyone is, and all is delivered") {
  Options options;
  std::vector<std::size_t> got(3);
  Cluster cluster(options, [&](Rank member, const multicast::Delivered&) { ++got[member]; });
  REQUIRE(cluster.start(limit));
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
      limit));
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
    REQUIRE(cluster.start(limit));
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
        limit));
  }
}

}  // namespace
}  // namespace squall::scenarios
