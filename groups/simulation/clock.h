#pragma once
// What a node's clock shows. Nodes' clocks have nothing in common: each began at a time of its own,
// is a little fast or slow, and jumps ahead when its machine was moved or held. The code under test
// sees one clock only, its own node's, so nothing it does may depend on another's.

#include <cstdint>

#include "core/base/time.h"

namespace squall::simulation {

class Clock {
 public:
  Clock() = default;
  /// `ahead` of the simulation at its begin, and fast by `drift_ppm` millionths (slow, if negative;
  /// above -1,000,000).
  explicit Clock(Duration ahead, std::int64_t drift_ppm = 0)
      : ahead_(ahead), drift_ppm_(drift_ppm) {}

  void jump(Duration by) { ahead_ += by; }

  Time read(Time real) const {
    const Duration elapsed = real - Time{};
    return real + ahead_ + elapsed / million * drift_ppm_ +
           elapsed % million * drift_ppm_ / million;
  }
  /// The first moment at which it shows `shown`, or more.
  Time when(Time shown) const {
    if (shown == never || drift_ppm_ == 0) return shown == never ? never : shown - ahead_;
    const auto whole = static_cast<__int128>((shown - ahead_ - Time{}).count());
    Time real{Duration{static_cast<Duration::rep>(whole * million / (million + drift_ppm_))}};
    while (read(real) >= shown) real -= Duration{1};
    while (read(real) < shown) real += Duration{1};
    return real;
  }

 private:
  static constexpr std::int64_t million = 1'000'000;
  Duration ahead_{0};
  std::int64_t drift_ppm_ = 0;
};

}  // namespace squall::simulation
