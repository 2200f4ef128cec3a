#pragma once
// How many upcalls in one turn. A member that delivers sends no heartbeats, and a thousand short
// upcalls in a row are as long as one that takes too long: so between some of them it looks at the
// clock, and leaves the rest to the next turn. One thread.

#include <algorithm>
#include <cstddef>
#include <functional>

#include "core/base/time.h"

namespace squall::engine {

class Pace {
 public:
  using Clock = std::function<Time()>;

  /// At most about `budget` at once. Without a clock (where time stands still within a turn) the
  /// number alone is limited.
  explicit Pace(Clock clock = {}, Duration budget = {})
      : clock_(std::move(clock)), budget_(budget) {}

  /// Calls `deliver(limit)`, which gives how many it delivered, until there are no more, `most` are
  /// through, or time is up. `now` is when the turn began. Returns how many were delivered.
  template <class Deliver>
  std::size_t run(Time now, std::size_t most, Deliver deliver) {
    if (!clock_) return deliver(most);
    std::size_t through = 0;
    for (Time began = now; through < most;) {
      const std::size_t asked = std::min(slice_, most - through);
      const std::size_t got = deliver(asked);
      through += got;
      if (got < asked) break;
      const Time ended = clock_();
      learn(ended - began);
      if (ended - now >= budget_) break;
      began = ended;
    }
    return through;
  }

  /// Upcalls until the next look at the clock.
  std::size_t slice() const { return slice_; }

 private:
  void learn(Duration took) {
    if (took > budget_ / 4)
      slice_ = std::max<std::size_t>(1, slice_ / 4);
    else if (took < budget_ / 16)
      slice_ = std::min(most_slice, 2 * slice_);
  }

  // Of upcalls that were quick so far. If the next ones take a millisecond each, that is not yet a
  // timeout; and it is enough that reading the clock costs nothing.
  static constexpr std::size_t most_slice = 128;

  Clock clock_;
  Duration budget_;
  std::size_t slice_ = 8;
};

}  // namespace squall::engine
