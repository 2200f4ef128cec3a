#pragma once
// Measured times and their percentiles. Exact up to a fixed capacity, allocated once so that adding
// costs nothing but a store; beyond it a uniform sample (reservoir sampling: Vitter, Algorithm R,
// ACM TOMS 1985), with the maximum kept exactly. One thread at a time.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/base/random.h"
#include "core/base/time.h"

namespace squall::bench {

class Samples {
 public:
  explicit Samples(std::size_t capacity = std::size_t{1} << 18);

  void add(Duration time);
  /// Forgets everything; keeps the memory.
  void clear();

  std::uint64_t count() const { return seen_; }
  /// The smallest sample that at least `share` (0 to 1) of all are no larger than (nearest rank);
  /// zero without samples.
  Duration percentile(double share) const;
  Duration max() const { return max_; }

 private:
  std::size_t capacity_;
  std::vector<Duration> kept_;
  std::uint64_t seen_ = 0;
  Duration max_{0};
  Random random_{1};
};

/// The middle one, or the mean of the two in the middle; 0 of none.
double median(std::vector<double> values);

}  // namespace squall::bench
