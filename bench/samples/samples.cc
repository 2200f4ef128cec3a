#include "bench/samples/samples.h"

#include <algorithm>
#include <cmath>

namespace squall::bench {

Samples::Samples(std::size_t capacity) : capacity_(capacity == 0 ? 1 : capacity) {
  kept_.reserve(capacity_);
}

void Samples::add(Duration time) {
  ++seen_;
  max_ = std::max(max_, time);
  if (kept_.size() < capacity_) {
    kept_.push_back(time);
  } else if (const std::uint64_t at = random_.below(seen_); at < capacity_) {
    kept_[at] = time;
  }
}

void Samples::clear() {
  kept_.clear();
  seen_ = 0;
  max_ = Duration{0};
}

Duration Samples::percentile(double share) const {
  if (kept_.empty()) return Duration{0};
  std::vector<Duration> sorted = kept_;
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  const std::size_t index = std::min(rank == 0 ? 0 : rank - 1, sorted.size() - 1);
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(index),
                   sorted.end());
  return sorted[index];
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace squall::bench
