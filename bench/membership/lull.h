#pragma once
// What a change costs those who are there: how long nothing was delivered around it, and how long
// the slowest message took. Pure; one thread at a time.

#include <deque>
#include <vector>

#include "core/base/time.h"

namespace squall::bench {

class Lull {
 public:
  /// This much on either side of a change is around it.
  static constexpr Duration around = std::chrono::milliseconds(50);

  struct Span {
    Duration gap{0};      ///< the longest without a delivery
    Duration slowest{0};  ///< from a send to its own delivery
  };

  // In the order of time.
  void sent(Time at) { sent_.push_back(at); }
  /// One message; `mine`: the oldest that was sent here and not delivered yet.
  void delivered(Time at, bool mine);

  /// Of what lies in [from, to], or reaches into it.
  Span between(Time from, Time to) const;
  Span at_change(Time at) const { return between(at - around, at + around); }
  /// As long, just before that.
  Span before_change(Time at) const { return between(at - 3 * around, at - around); }

 private:
  struct Delivered {
    Time at{};
    Duration gap{0};
    Duration took{0};  // of one's own
  };
  std::deque<Time> sent_;
  std::vector<Delivered> deliveries_;
};

}  // namespace squall::bench
