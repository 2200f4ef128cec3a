#pragma once
// From measured times to what one link is like: the latency and the bandwidth that explain them
// best. Pure.

#include <cstddef>
#include <span>

#include "core/base/error.h"

namespace squall::bench {

/// So many bytes took so long, one way.
struct Trip {
  std::size_t bytes = 0;
  double seconds = 0;
};

/// A trip takes latency_s + bytes / bytes_per_second.
struct Line {
  double latency_s = 0;         ///< at least 0
  double bytes_per_second = 0;  ///< above 0
  double worst = 0;             ///< largest share by which a trip differs from it

  double seconds(std::size_t bytes) const {
    return latency_s + static_cast<double>(bytes) / bytes_per_second;
  }
};

/// Least squares of the relative errors, so that short trips count as much as long ones; a line
/// that would begin below 0 goes through it. Code::invalid without trips of two lengths, for times
/// that are none, or where more bytes take no longer.
Result<Line> fit(std::span<const Trip> trips);

}  // namespace squall::bench
