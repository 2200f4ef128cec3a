#pragma once
// Who asks to join, as the coordinator knows it: members name those that wait at them again and
// again, so whoever is named no more (it went away, or its member died) is forgotten. Pure.

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
  /// Forgets who was not named since then.
  void forget_before(Time time);

  /// Somebody whom the view that follows on `view` could admit.
  bool any(const View& view) const;
  /// For the view that follows on `view` and keeps so many of it: as many as it may admit.
  std::vector<Joiner> admissible(const View& view, Rank kept) const;

 private:
  struct Applicant {
    Joiner joiner;
    Time named_at{};
  };
  std::map<NodeId, Applicant> applicants_;
};

}  // namespace squall::membership
