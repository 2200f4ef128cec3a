#include "bench/membership/lull.h"

#include <algorithm>

namespace squall::bench {

void Lull::delivered(Time at, bool mine) {
  Delivered one{at, Duration{0}, Duration{0}};
  if (!deliveries_.empty()) one.gap = at - deliveries_.back().at;
  if (mine && !sent_.empty()) {
    one.took = at - sent_.front();
    sent_.pop_front();
  }
  deliveries_.push_back(one);
}

Lull::Span Lull::between(Time from, Time to) const {
  Span span;
  auto one = std::ranges::lower_bound(deliveries_, from, {}, &Delivered::at);
  for (; one != deliveries_.end() && (one->at <= to || one->at - one->gap < to); ++one) {
    span.gap = std::max(span.gap, one->gap);
    if (one->at <= to) span.slowest = std::max(span.slowest, one->took);
  }
  return span;
}

}  // namespace squall::bench
