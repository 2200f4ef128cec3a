#pragma once
// Replicas that stay when their object is done, of one view and for small objects: the next object
// in the same memory of its sender needs no offer and no import, which take as many messages as the
// object itself. Its sender uses the memory again once all members have consumed what was there, so
// each member's place for it is free then, too. Pure; one thread.
//
// Whoever keeps a replica says so; its sender alone ends it. So nobody gives memory away that
// something is on its way to.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/ids.h"
#include "core/base/rank_set.h"
#include "core/fabric/fabric.h"
#include "core/mirror/buffer.h"

namespace squall::multicast::bulk {

/// Of larger memory, a round trip is little beside what is sent from it.
inline constexpr std::size_t most_standing_bytes = std::size_t{4} << 20;

/// A sender's: which of its regions others keep.
class StandingRegions {
 public:
  /// As many bytes as keep the links busy, and as much again for what comes back in another order.
  static constexpr std::size_t limit = std::size_t{16} << 20;

  /// The region holds object `number` from now on; those below `oldest` are done with. True if
  /// replicas of it may stay. To make room for it, replicas of others end: those in `ended`, of
  /// which the holders are to be told.
  bool begin(fabric::RegionId region, std::size_t bytes, std::uint64_t number,
             std::uint64_t oldest);
  struct Ended {
    fabric::RegionId region{};
    RankSet holders;
  };
  std::vector<Ended> take_ended() { return std::exchange(ended_, {}); }

  void kept(fabric::RegionId region, Rank by);
  RankSet holders(fabric::RegionId region) const;
  /// The region is given up.
  void end(fabric::RegionId region);

 private:
  struct Region {
    RankSet holders;
    std::size_t bytes = 0;
    std::uint64_t newest = 0;  // the last object in it
  };
  std::map<fabric::RegionId, Region> regions_;
  std::size_t bytes_ = 0;
  std::vector<Ended> ended_;
};

/// A receiver's: the places that it keeps for what comes from others' regions.
class StandingPlaces {
 public:
  explicit StandingPlaces(std::size_t limit_bytes) : limit_(limit_bytes) {}

  /// True if the place of object `number` is kept.
  bool keep(Rank from, fabric::RegionId region, std::shared_ptr<const mirror::Buffer> place,
            std::uint64_t number);
  struct Place {
    std::shared_ptr<const mirror::Buffer> buffer;
    std::uint64_t newest = 0;  ///< the last object there
  };
  /// nullptr: none is kept.
  Place* find(Rank from, fabric::RegionId region);
  /// False: there was none.
  bool end(Rank from, fabric::RegionId region);

 private:
  std::size_t limit_;
  std::size_t bytes_ = 0;
  std::map<std::pair<Rank, fabric::RegionId>, Place> places_;
};

}  // namespace squall::multicast::bulk
