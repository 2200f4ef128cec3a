#pragma once
// Who asks to join, as the coordinator knows it: members name those that wait at them again and
// again, so whoever is named no more (it went away, or its member died) is forgotten. Pure.
//
// Who has come in may be out again at once, while some still name it; so for a while that run's
// name does not count. Else the view that lost it would be followed by one that admits the dead.

#include <map>
#include <vector>

#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/base/view.h"
#include "core/membership/change.h"

namespace squall::membership {

class Applicants {
 public:
  /// More are not kept; they are named again when there is room.
  static constexpr std::size_t most = 1024;

  void named(const Joiner& joiner, Time now);
  /// They came in with a view. What is said of them before `until` is old.
  void came(const std::vector<Joiner>& joiners, Time until);
  /// Forgets who was not named in the last `patience`.
  void forget(Time now, Duration patience);

  /// Somebody whom the view that follows on `view` could admit.
  bool any(const View& view) const;
  /// For the view that follows on `view` and keeps so many of it: as many as it may admit.
  std::vector<Joiner> admissible(const View& view, Rank kept) const;

 private:
  struct Applicant {
    Joiner joiner;
    Time named_at{};
  };
  struct Arrival {
    Incarnation run{};
    Time until{};
  };
  std::map<NodeId, Applicant> applicants_;
  std::map<NodeId, Arrival> arrivals_;
};

}  // namespace squall::membership
