#pragma once
// Replicas that stay when their object is done, of one view and for small objects: the next object
// in the same memory of its sender needs no offer and no import, which take as many messages as the
// object itself. Its sender uses the memory again once all members have consumed what was there, so
// by then every place for it is free, and everything that was to be passed on from there has
// arrived. Pure; one thread.
//
// Whoever keeps a replica tells the one that it gets its blocks from, and gives it up when that one
// says so, which begins at the sender. So nobody gives memory away that something is on its way to.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "core/base/ids.h"
#include "core/base/rank_set.h"
#include "core/fabric/fabric.h"
#include "core/mirror/buffer.h"
#include "core/multicast/bulk/schedule.h"

namespace squall::multicast::bulk {

/// Of larger memory, a round trip is little beside what is sent from it.
inline constexpr std::size_t most_standing_bytes = std::size_t{4} << 20;

/// Each member gets all blocks of an object from one other, and so knows at the first one where it
/// is.
constexpr bool may_stand(Kind kind) {
  return kind != Kind::binomial_pipeline;
}

/// What others have of one region of this member.
struct Lent {
  std::uint64_t newest = 0;  ///< the last object in it
  RankSet offered;           ///< those who may have a replica
  RankSet holders;           ///< those who keep one
};

/// A sender's own regions.
class StandingRegions {
 public:
  /// As many bytes as keep the links busy, and as much again for what comes back in another order.
  static constexpr std::size_t limit = std::size_t{16} << 20;

  /// The region holds object `number` from now on; those below `oldest` are done with. nullptr if
  /// replicas of it may not stay. To make room for it, replicas of others end: see `take_ended`.
  Lent* begin(fabric::RegionId region, std::size_t bytes, std::uint64_t number,
              std::uint64_t oldest);
  /// Whose replicas have ended, of which those who may have them are to be told.
  std::vector<std::pair<fabric::RegionId, Lent>> take_ended() { return std::exchange(ended_, {}); }
  /// nullptr: there is none.
  Lent* find(fabric::RegionId region);
  /// The region is given up.
  void end(fabric::RegionId region);

 private:
  struct Region {
    Lent lent;
    std::size_t bytes = 0;
  };
  std::map<fabric::RegionId, Region> regions_;
  std::size_t bytes_ = 0;
  std::vector<std::pair<fabric::RegionId, Lent>> ended_;
};

/// The places that a member keeps for what comes from others' regions.
class StandingPlaces {
 public:
  struct Place {
    std::shared_ptr<const mirror::Buffer> buffer;
    std::uint32_t origin = 0;  ///< whose objects come there
    Lent lent{};               ///< to those that it passes on to
  };

  explicit StandingPlaces(std::size_t limit_bytes) : limit_(limit_bytes) {}

  /// Keeps a place, or has no room for that: false.
  bool keep(Rank from, fabric::RegionId region, Place place);
  /// nullptr: none is kept.
  Place* find(Rank from, fabric::RegionId region);
  /// By the name of the place's own region.
  Lent* find(fabric::RegionId own);
  void end(Rank from, fabric::RegionId region);

 private:
  std::size_t limit_;
  std::size_t bytes_ = 0;
  std::map<std::pair<Rank, fabric::RegionId>, Place> places_;
};

}  // namespace squall::multicast::bulk
