// Times on the model: the shapes that the schedules are known for, and the cost model beside it.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "bench/schedules/network.h"
#include "core/multicast/bulk/cost.h"

namespace squall::bench {
namespace {

using multicast::bulk::Kind;
using multicast::bulk::Place;

constexpr Kind kinds[] = {Kind::sequential, Kind::chain, Kind::binomial_tree,
                          Kind::binomial_pipeline};

double seconds(Duration time) {
  return std::chrono::duration<double>(time).count();
}

double takes(Kind kind, Place members, const Object& object = {}, const Network& network = {}) {
  return seconds(replication_time(kind, members, object, network));
}

double on_wire(std::uint64_t bytes) {
  return static_cast<double>(bytes) / Network{}.bytes_per_second;
}

/// Of few blocks, which is quicker to run.
constexpr Object small{.bytes = 16 << 20, .block_bytes = 1 << 20};

TEST_CASE("one block to one member takes its time on the wire and the latency") {
  const Object object{.bytes = 1000, .block_bytes = 1000};
  const Network network{.bytes_per_second = 1e9, .latency = 5us};
  for (const Kind kind : kinds) {
    CHECK(replication_time(kind, 2, object, network) == 6us);
    CHECK(replication_time(kind, 1, object, network) == 0us);
  }
}

TEST_CASE("a window and a receiver that is not ready hold a sender back") {
  const Object object{.bytes = 4000, .block_bytes = 1000};
  Network network{.bytes_per_second = 1e9, .latency = 5us, .window = 8, .ready = 8};
  CHECK(replication_time(Kind::chain, 2, object, network) == 9us);
  // A block, there and back, four times, but for the way back of the last one.
  network.window = 1;
  CHECK(replication_time(Kind::chain, 2, object, network) == 39us);
  network.window = 8;
  network.ready = 1;
  CHECK(replication_time(Kind::chain, 2, object, network) == 39us);
  network.ready = 0;
  CHECK(replication_time(Kind::chain, 2, object, network) == 9us);
}

TEST_CASE("the last block is as short as it is") {
  const Object object{.bytes = 1001, .block_bytes = 1000};
  CHECK(object.blocks() == 2);
  CHECK(replication_time(Kind::sequential, 3, object, {.bytes_per_second = 1e9, .latency = 0us}) ==
        2002ns);
}

TEST_CASE("the pipeline to 512 members takes less than 1.1 of the time to 4") {
  const double four = takes(Kind::binomial_pipeline, 4);
  CHECK(takes(Kind::binomial_pipeline, 512) < 1.1 * four);
  CHECK(four < 1.03 * on_wire(Object{}.bytes));
}

TEST_CASE("sequential grows with the members, a tree with their logarithm") {
  for (Place members = 2; members <= 512; members *= 4) {
    CAPTURE(members);
    CHECK(takes(Kind::sequential, members, small) ==
          doctest::Approx((members - 1) * on_wire(small.bytes)).epsilon(0.01));
    CHECK(takes(Kind::binomial_tree, members, small) ==
          doctest::Approx(std::log2(members) * on_wire(small.bytes)).epsilon(0.01));
  }
}

TEST_CASE("a chain takes as many steps as there are blocks, and one more for each relay") {
  for (Place members = 2; members <= 512; members *= 4) {
    CAPTURE(members);
    const auto steps = static_cast<double>(small.blocks() + members - 2);
    CHECK(takes(Kind::chain, members, small) ==
          doctest::Approx(steps * on_wire(small.block_bytes)).epsilon(0.02));
  }
}

TEST_CASE("the pipeline stays within 2 % of its steps also where members are no power of two") {
  for (const Place members : {3u, 5u, 6u, 7u, 9u, 12u, 15u, 17u, 24u, 33u, 45u, 63u}) {
    CAPTURE(members);
    const auto steps = static_cast<double>(multicast::bulk::steps_of(
        Kind::binomial_pipeline, members, static_cast<multicast::bulk::Block>(Object{}.blocks())));
    CHECK(takes(Kind::binomial_pipeline, members) < 1.02 * steps * on_wire(Object{}.block_bytes));
  }
}

TEST_CASE("without saying when they are ready, members that are no power of two clog each other") {
  Network network;
  network.ready = 0;
  CHECK(takes(Kind::binomial_pipeline, 63, {}, network) > 1.1 * takes(Kind::binomial_pipeline, 63));
  CHECK(takes(Kind::binomial_pipeline, 64, {}, network) <
        1.02 * takes(Kind::binomial_pipeline, 64));
}

TEST_CASE("equal arguments, equal times") {
  for (const Kind kind : kinds)
    CHECK(replication_time(kind, 23, small, {}) == replication_time(kind, 23, small, {}));
}

/// The latency as a part of the time that a block takes, or the object if it is no longer.
void check_estimate(Kind kind, Place members, double blocks, double latency) {
  constexpr std::uint64_t block = 1 << 20;
  const Object object{.bytes = static_cast<std::uint64_t>(blocks * block), .block_bytes = block};
  Network network;
  network.latency = Duration(std::llround(latency * on_wire(std::min(block, object.bytes)) * 1e9));
  const multicast::bulk::Cost cost{.latency = network.latency,
                                   .bytes_per_second = network.bytes_per_second};
  const double modelled = takes(kind, members, object, network);
  const double estimated = seconds(estimate(kind, members, object.bytes, block, cost));
  CHECK_MESSAGE(std::abs(estimated - modelled) < 0.1 * modelled,
                fmt::format("{} to {}: {} blocks, latency {}: {} s, estimated {} s", name(kind),
                            members, blocks, latency, modelled, estimated));
}

TEST_CASE("the cost model agrees within 10 %, for 2 to 64 members") {
  for (const Kind kind : kinds) {
    for (Place members = 2; members <= 64; ++members) check_estimate(kind, members, 11, 0.1);
    for (const Place members : {2u, 3u, 4u, 5u, 6u, 8u, 14u, 33u, 63u, 64u})
      for (const double latency : {0.0, 0.02, 0.1})
        for (const double blocks : {0.2, 1.0, 2.0, 2.5, 17.3, 40.0})
          check_estimate(kind, members, blocks, latency);
  }
  for (const Place members : {6u, 14u, 45u, 63u})
    for (const double latency : {0.02, 0.1})
      check_estimate(Kind::binomial_pipeline, members, 244.14, latency);
}

}  // namespace
}  // namespace squall::bench
