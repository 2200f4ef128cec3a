#include "core/multicast/bulk/standing.h"

#include <algorithm>

namespace squall::multicast::bulk {

Lent* StandingRegions::begin(fabric::RegionId region, std::size_t bytes, std::uint64_t number,
                             std::uint64_t oldest) {
  if (bytes > most_standing_bytes) return nullptr;
  if (Lent* lent = find(region)) {
    lent->newest = number;
    return lent;
  }
  // Those that have not been used for the longest time make room.
  while (bytes_ + bytes > limit) {
    const auto idle = std::ranges::min_element(
        regions_, {}, [](const auto& named) { return named.second.lent.newest; });
    if (idle->second.lent.newest >= oldest) return nullptr;
    ended_.emplace_back(idle->first, idle->second.lent);
    end(idle->first);
  }
  bytes_ += bytes;
  return &regions_.emplace(region, Region{{number, {}, {}}, bytes}).first->second.lent;
}

Lent* StandingRegions::find(fabric::RegionId region) {
  const auto found = regions_.find(region);
  return found == regions_.end() ? nullptr : &found->second.lent;
}

void StandingRegions::end(fabric::RegionId region) {
  const auto found = regions_.find(region);
  if (found == regions_.end()) return;
  bytes_ -= found->second.bytes;
  regions_.erase(found);
}

bool StandingPlaces::keep(Rank from, fabric::RegionId region, Place place) {
  const std::size_t bytes = place.buffer->slab()->memory.size();
  if (bytes_ + bytes > limit_) return false;
  if (!places_.try_emplace({from, region}, std::move(place)).second) return false;
  bytes_ += bytes;
  return true;
}

StandingPlaces::Place* StandingPlaces::find(Rank from, fabric::RegionId region) {
  const auto found = places_.find({from, region});
  return found == places_.end() ? nullptr : &found->second;
}

Lent* StandingPlaces::find(fabric::RegionId own) {
  const auto found = std::ranges::find_if(
      places_, [&](const auto& named) { return named.second.buffer->slab()->region == own; });
  return found == places_.end() ? nullptr : &found->second.lent;
}

void StandingPlaces::end(Rank from, fabric::RegionId region) {
  const auto found = places_.find({from, region});
  if (found == places_.end()) return;
  bytes_ -= found->second.buffer->slab()->memory.size();
  places_.erase(found);
}

}  // namespace squall::multicast::bulk
