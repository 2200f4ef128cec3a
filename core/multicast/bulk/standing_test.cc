#include "core/multicast/bulk/standing.h"

#include <doctest/doctest.h>

#include <initializer_list>

namespace squall::multicast::bulk {
namespace {

constexpr std::size_t mebibyte = std::size_t{1} << 20;

fabric::RegionId region(std::uint64_t number) {
  return fabric::RegionId{number};
}

RankSet ranks(std::initializer_list<Rank> some) {
  RankSet set;
  for (const Rank rank : some) set.insert(rank);
  return set;
}

TEST_CASE("what others have of a region is known until it ends") {
  StandingRegions regions;
  Lent* lent = regions.begin(region(1), mebibyte, 0, 0);
  REQUIRE(lent != nullptr);
  CHECK(lent->holders.empty());
  lent->offered = ranks({2, 5});
  lent->holders = ranks({5});
  CHECK(regions.find(region(1)) == lent);
  CHECK(regions.find(region(9)) == nullptr);
  REQUIRE(regions.begin(region(1), mebibyte, 1, 1) == lent);
  CHECK(lent->newest == 1);
  CHECK(lent->offered == ranks({2, 5}));
  CHECK(lent->holders == ranks({5}));
  regions.end(region(1));
  CHECK(regions.find(region(1)) == nullptr);
  CHECK(regions.take_ended().empty());
}

TEST_CASE("large regions are for one object") {
  StandingRegions regions;
  CHECK(regions.begin(region(1), most_standing_bytes, 0, 0) != nullptr);
  CHECK(regions.begin(region(2), most_standing_bytes + 1, 1, 0) == nullptr);
}

TEST_CASE("regions that have not been used for the longest time make room, but none in use") {
  StandingRegions regions;
  constexpr std::uint64_t count = StandingRegions::limit / mebibyte;
  for (std::uint64_t number = 0; number < count; ++number) {
    Lent* const lent = regions.begin(region(number), mebibyte, number, 0);
    REQUIRE(lent != nullptr);
    lent->offered = ranks({3});
  }
  CHECK(regions.begin(region(100), mebibyte, count, 0) == nullptr);
  CHECK(regions.take_ended().empty());
  // The first is used again; of the others all below 4 are done with.
  REQUIRE(regions.begin(region(0), mebibyte, count + 1, 4) != nullptr);
  REQUIRE(regions.begin(region(100), 2 * mebibyte, count + 2, 4) != nullptr);
  const auto ended = regions.take_ended();
  REQUIRE(ended.size() == 2);
  CHECK(ended[0].first == region(1));
  CHECK(ended[1].first == region(2));
  CHECK(ended[0].second.offered == ranks({3}));
  CHECK(regions.find(region(0)) != nullptr);
  CHECK(regions.find(region(1)) == nullptr);
  CHECK(regions.find(region(100))->offered.empty());
}

TEST_CASE("places are kept up to a limit, by who sends from where") {
  const auto pool = mirror::Pool::create(8 * mebibyte, region(50));
  const auto place = [&](std::uint64_t number = 0) {
    return StandingPlaces::Place{
        std::make_shared<const mirror::Buffer>(pool->take(mebibyte).value()), 0, {number, {}, {}}};
  };
  StandingPlaces places(2 * mebibyte);
  REQUIRE(places.keep(0, region(1), place(7)));
  CHECK_FALSE(places.keep(0, region(1), place(8)));  // it is there
  REQUIRE(places.keep(1, region(1), place()));
  CHECK_FALSE(places.keep(2, region(1), place()));
  const StandingPlaces::Place* const kept = places.find(0, region(1));
  REQUIRE(kept != nullptr);
  CHECK(kept->lent.newest == 7);
  CHECK(places.find(kept->buffer->slab()->region) == &kept->lent);
  CHECK(places.find(region(1)) == nullptr);  // of no place of ours
  CHECK(places.find(0, region(2)) == nullptr);
  CHECK(pool->take(7 * mebibyte).error().code == Code::would_block);
  places.end(0, region(1));
  places.end(0, region(1));
  CHECK(places.find(0, region(1)) == nullptr);
  CHECK(places.keep(2, region(1), place()));
  places.end(1, region(1));
  places.end(2, region(1));
  CHECK(pool->take(8 * mebibyte));
}

}  // namespace
}  // namespace squall::multicast::bulk
