#include "core/multicast/bulk/standing.h"

#include <algorithm>

namespace squall::multicast::bulk {

bool StandingRegions::begin(fabric::RegionId region, std::size_t bytes, std::uint64_t number,
                            std::uint64_t oldest) {
  if (bytes > most_standing_bytes) return false;
  if (const auto found = regions_.find(region); found != regions_.end()) {
    found->second.newest = number;
    return true;
  }
  // Those that have not been used for the longest time make room.
  while (bytes_ + bytes > limit) {
    const auto idle = std::ranges::min_element(
        regions_, {}, [](const auto& named) { return named.second.newest; });
    if (idle->second.newest >= oldest) return false;
    ended_.push_back({idle->first, idle->second.holders});
    end(idle->first);
  }
  regions_[region] = {{}, bytes, number};
  bytes_ += bytes;
  return true;
}

void StandingRegions::kept(fabric::RegionId region, Rank by) {
  if (const auto found = regions_.find(region); found != regions_.end())
    found->second.holders.insert(by);
}

RankSet StandingRegions::holders(fabric::RegionId region) const {
  const auto found = regions_.find(region);
  return found == regions_.end() ? RankSet{} : found->second.holders;
}

void StandingRegions::end(fabric::RegionId region) {
  const auto found = regions_.find(region);
  if (found == regions_.end()) return;
  bytes_ -= found->second.bytes;
  regions_.erase(found);
}

bool StandingPlaces::keep(Rank from, fabric::RegionId region,
                          std::shared_ptr<const mirror::Buffer> place, std::uint64_t number) {
  const std::size_t bytes = place->slab()->memory.size();
  if (bytes_ + bytes > limit_) return false;
  if (!places_.try_emplace({from, region}, Place{std::move(place), number}).second) return false;
  bytes_ += bytes;
  return true;
}

StandingPlaces::Place* StandingPlaces::find(Rank from, fabric::RegionId region) {
  const auto found = places_.find({from, region});
  return found == places_.end() ? nullptr : &found->second;
}

bool StandingPlaces::end(Rank from, fabric::RegionId region) {
  const auto found = places_.find({from, region});
  if (found == places_.end()) return false;
  bytes_ -= found->second.buffer->slab()->memory.size();
  places_.erase(found);
  return true;
}

}  // namespace squall::multicast::bulk
