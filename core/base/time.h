#pragma once
// Time is an argument everywhere above the providers; only core/engine/loop, the providers
// and the tools read a clock.

#include <chrono>
#include <cstdint>

namespace squall {

using Duration = std::chrono::nanoseconds;

/// The node's monotonic time line (CLOCK_MONOTONIC in real runs, virtual in simulation).
struct Monotonic {
  using rep = Duration::rep;
  using period = Duration::period;
  using duration = Duration;
  using time_point = std::chrono::time_point<Monotonic, Duration>;
  static constexpr bool is_steady = true;
  static time_point now();
};

using Time = Monotonic::time_point;

/// No deadline.
inline constexpr Time never = Time::max();

using namespace std::chrono_literals;

}  // namespace squall
