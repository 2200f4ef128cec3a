// What can be said of the cost model by itself. That it says what runs of the schedules take is
// tested where they run, in bench/schedules.
#include "core/multicast/bulk/cost.h"

#include <doctest/doctest.h>

namespace squall::multicast::bulk {
namespace {

constexpr std::uint64_t block = 1'000'000;
constexpr std::uint64_t object = 100 * block;
/// A block takes 100 us.
constexpr Cost link{.latency = 1us, .bytes_per_second = 1e10};

TEST_CASE("each schedule has the shape that it is known for") {
  CHECK(estimate(Kind::sequential, 9, object, block, link) == 80ms + 1us);
  CHECK(estimate(Kind::chain, 9, object, block, link) == 10ms + 700us + 8us);
  CHECK(estimate(Kind::binomial_tree, 9, object, block, link) == 40ms + 1us);
  const Duration pipeline = estimate(Kind::binomial_pipeline, 9, object, block, link);
  CHECK(pipeline > 10ms + 300us);
  CHECK(pipeline < 10ms + 300us + 100us);
}

TEST_CASE("one block goes down a tree, over as many hops as it is deep") {
  for (const Kind kind : {Kind::binomial_tree, Kind::binomial_pipeline}) {
    CHECK(estimate(kind, 8, block, block, link) == 303us);
    CHECK(estimate(kind, 5, block, block, link) == 301us);
    CHECK(estimate(kind, 8, block / 2, block, link) == 153us);
  }
}

TEST_CASE("one member waits for nothing, and two for the same whatever the schedule") {
  for (const Kind kind :
       {Kind::sequential, Kind::chain, Kind::binomial_tree, Kind::binomial_pipeline}) {
    CHECK(estimate(kind, 1, object, block, link) == 0ns);
    CHECK(estimate(kind, 2, object, block, link) == 10ms + 1us);
    CHECK(estimate(kind, 2, 0, block, link) == 1us);
  }
}

TEST_CASE("auto takes the simplest of the quickest") {
  CHECK(choose(1, object, block, link) == Kind::sequential);
  CHECK(choose(2, object, block, link) == Kind::sequential);
  CHECK(choose(3, object, block, link) == Kind::chain);
  CHECK(choose(64, object, block, link) == Kind::binomial_pipeline);
  // A chain is long, which an object of far more blocks than members does not notice.
  CHECK(choose(5, 1000 * object, block, link) == Kind::chain);
  CHECK(choose(8, block, block, link) == Kind::binomial_tree);
}

TEST_CASE("nothing is quicker than what is chosen, but for a hundredth") {
  for (Place members = 2; members <= 64; ++members)
    for (const std::uint64_t bytes : {block / 3, block, 2 * block, 20 * block, 1000 * block}) {
      const Duration chosen =
          estimate(choose(members, bytes, block, link), members, bytes, block, link);
      for (const Kind kind :
           {Kind::sequential, Kind::chain, Kind::binomial_tree, Kind::binomial_pipeline})
        CHECK(chosen <= estimate(kind, members, bytes, block, link) * 1.01);
    }
}

TEST_CASE("on one host the bytes moved count, and not the steps") {
  const Cost shared = on_one_host(link, 2);
  CHECK(shared.at_once == 1);
  for (const Kind kind :
       {Kind::sequential, Kind::chain, Kind::binomial_tree, Kind::binomial_pipeline})
    CHECK(estimate(kind, 5, object, block, shared) == 40ms + 1us);
  CHECK(choose(5, object, block, shared) == Kind::sequential);
  // Short objects spare their sender some of the work.
  CHECK(choose(5, 4 * block, block, shared) == Kind::binomial_tree);
  CHECK(choose(5, 4 * block + 1, block, shared) == Kind::sequential);
  CHECK(choose(3, block, block, shared) == Kind::sequential);
  CHECK(on_one_host(link, 1).at_once == 1);
  // With cores for everyone, as if each had a host of its own.
  const Cost wide = on_one_host(link, 64);
  CHECK(wide.at_once == 32);
  CHECK(choose(16, object, block, wide) == choose(16, object, block, link));
}

TEST_CASE("what to begin with: faster than tcp where the target's CPU does nothing") {
  const Cost mapped = default_cost({.maps = true});
  const Cost written = default_cost({.writes = true});
  const Cost messaged = default_cost({});
  CHECK(written.bytes_per_second > messaged.bytes_per_second);
  CHECK(mapped.latency < written.latency);
  CHECK(written.latency < messaged.latency);
  CHECK(mapped.at_once == 1);
  CHECK(on_one_host(mapped, 64).at_once == 1);
  CHECK(written.at_once == 0);
}

}  // namespace
}  // namespace squall::multicast::bulk
