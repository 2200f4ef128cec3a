// Times on the model: the shapes that the schedules are known for, and the cost model beside it.
#include <doctest/doctest.h>
#include <fmt/format.h>

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

/// One block on the wire, and the whole object.
const double block_s = static_cast<double>(Object{}.block_bytes) / Network{}.bytes_per_second;
const double object_s = static_cast<double>(Object{}.bytes) / Network{}.bytes_per_second;

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
  CHECK(four < 1.03 * object_s);
}

TEST_CASE("sequential grows with the members, a tree with their logarithm") {
  for (Place members = 2; members <= 512; members *= 4) {
    CAPTURE(members);
    CHECK(takes(Kind::sequential, members) ==
          doctest::Approx((members - 1) * object_s).epsilon(0.01));
    CHECK(takes(Kind::binomial_tree, members) ==
          doctest::Approx(std::log2(members) * object_s).epsilon(0.01));
  }
}

TEST_CASE("a chain takes as many steps as there are blocks, and one more for each relay") {
  for (Place members = 2; members <= 512; members *= 4) {
    CAPTURE(members);
    const auto steps = static_cast<double>(Object{}.blocks() + members - 2);
    CHECK(takes(Kind::chain, members) == doctest::Approx(steps * block_s).epsilon(0.02));
  }
}

TEST_CASE("the pipeline stays within 2 % of its steps for any number of members") {
  for (Place members = 2; members <= 64; ++members) {
    CAPTURE(members);
    const auto steps = static_cast<double>(multicast::bulk::steps_of(
        Kind::binomial_pipeline, members, static_cast<multicast::bulk::Block>(Object{}.blocks())));
    CHECK(takes(Kind::binomial_pipeline, members) < 1.02 * steps * block_s);
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
    CHECK(replication_time(kind, 23, {}, {}) == replication_time(kind, 23, {}, {}));
}

TEST_CASE("the cost model agrees within 10 %, for 2 to 64 members") {
  constexpr std::uint64_t block = 1 << 20;
  // Of the time that a block takes, or the object if it is no longer.
  for (const double latency : {0.0, 0.02, 0.1})
    for (const double blocks : {0.2, 1.0, 2.0, 2.5, 7.0, 17.3, 100.0}) {
      const Object object{.bytes = static_cast<std::uint64_t>(blocks * block),
                          .block_bytes = block};
      Network network;
      network.latency = Duration(
          std::llround(latency * std::min(1.0, blocks) * block / network.bytes_per_second * 1e9));
      const multicast::bulk::Cost cost{.latency = network.latency,
                                       .bytes_per_second = network.bytes_per_second};
      for (Place members = 2; members <= 64; members += members < 18 ? 1 : 23)
        for (const Kind kind : kinds) {
          const double modelled = takes(kind, members, object, network);
          const double estimated = seconds(estimate(kind, members, object.bytes, block, cost));
          CHECK_MESSAGE(std::abs(estimated - modelled) < 0.1 * modelled,
                        fmt::format("{} to {}: {} blocks, latency {}: {} s, estimated {} s",
                                    name(kind), members, blocks, latency, modelled, estimated));
        }
    }
}

}  // namespace
}  // namespace squall::bench
