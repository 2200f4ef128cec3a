#include "core/multicast/bulk/standing.h"

#include <doctest/doctest.h>

namespace squall::multicast::bulk {
namespace {

constexpr std::size_t mebibyte = std::size_t{1} << 20;

fabric::RegionId region(std::uint64_t number) {
  return fabric::RegionId{number};
}

TEST_CASE("who keeps a region's replica is known until it ends") {
  StandingRegions regions;
  REQUIRE(regions.begin(region(1), mebibyte, 0, 0));
  CHECK(regions.holders(region(1)).empty());
  regions.kept(region(1), 2);
  regions.kept(region(1), 5);
  regions.kept(region(9), 2);  // none of these
  REQUIRE(regions.begin(region(1), mebibyte, 1, 1));
  CHECK(regions.holders(region(1)).size() == 2);
  CHECK(regions.holders(region(1)).contains(5));
  CHECK(regions.holders(region(9)).empty());
  regions.end(region(1));
  CHECK(regions.holders(region(1)).empty());
  CHECK(regions.take_ended().empty());
}

TEST_CASE("large regions are for one object") {
  StandingRegions regions;
  CHECK(regions.begin(region(1), most_standing_bytes, 0, 0));
  CHECK_FALSE(regions.begin(region(2), most_standing_bytes + 1, 1, 0));
}

TEST_CASE("regions that have not been used for the longest time make room, but none in use") {
  StandingRegions regions;
  constexpr std::uint64_t count = StandingRegions::limit / mebibyte;
  for (std::uint64_t number = 0; number < count; ++number) {
    REQUIRE(regions.begin(region(number), mebibyte, number, 0));
    regions.kept(region(number), 3);
  }
  CHECK_FALSE(regions.begin(region(100), mebibyte, count, 0));
  CHECK(regions.take_ended().empty());
  // The first is used again; of the others all below 4 are done with.
  REQUIRE(regions.begin(region(0), mebibyte, count + 1, 4));
  REQUIRE(regions.begin(region(100), 2 * mebibyte, count + 2, 4));
  const auto ended = regions.take_ended();
  REQUIRE(ended.size() == 2);
  CHECK(ended[0].region == region(1));
  CHECK(ended[1].region == region(2));
  CHECK(ended[0].holders.contains(3));
  CHECK(regions.holders(region(0)).contains(3));
  CHECK(regions.holders(region(1)).empty());
  CHECK(regions.holders(region(100)).empty());
}

TEST_CASE("places are kept up to a limit, by who sends from where") {
  const auto pool = mirror::Pool::create(8 * mebibyte, region(50));
  const auto place = [&] {
    return std::make_shared<const mirror::Buffer>(pool->take(mebibyte).value());
  };
  StandingPlaces places(2 * mebibyte);
  REQUIRE(places.keep(0, region(1), place(), 7));
  CHECK_FALSE(places.keep(0, region(1), place(), 8));  // it is there
  REQUIRE(places.keep(1, region(1), place(), 0));
  CHECK_FALSE(places.keep(2, region(1), place(), 0));
  REQUIRE(places.find(0, region(1)) != nullptr);
  CHECK(places.find(0, region(1))->newest == 7);
  CHECK(places.find(0, region(2)) == nullptr);
  CHECK(pool->take(7 * mebibyte).error().code == Code::would_block);
  CHECK(places.end(0, region(1)));
  CHECK_FALSE(places.end(0, region(1)));
  CHECK(places.find(0, region(1)) == nullptr);
  CHECK(places.keep(2, region(1), place(), 0));
  CHECK(places.end(1, region(1)));
  CHECK(places.end(2, region(1)));
  CHECK(pool->take(8 * mebibyte));
}

}  // namespace
}  // namespace squall::multicast::bulk
