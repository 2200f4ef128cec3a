#pragma once
// What `squall bench schedules` is asked, and the limits of it.

#include <string>
#include <vector>

#include "bench/schedules/network.h"
#include "core/base/error.h"

namespace squall::bench {

inline constexpr unsigned most_scheduled = 1024;                    ///< members
inline constexpr std::uint64_t most_scheduled_bytes = 16ull << 30;  ///< of an object, or a block
inline constexpr double least_gbit_per_s = 0.1, most_gbit_per_s = 1e4;
inline constexpr double most_latency_us = 1e5;
inline constexpr unsigned most_outstanding = 1u << 20;

struct SchedulesOptions {
  std::vector<unsigned> members{2, 4, 8, 16, 32, 64, 128, 256, 512};  ///< each at least 2
  Object object = {};
  double gbit_per_s = 100;
  double latency_us = 1.5;
  unsigned window = Network{}.window;
  unsigned ready = Network{}.ready;
  std::string svg = {};  ///< a file to draw into; empty: the plot comes to the terminal
  bool json = false;

  Network network() const;
};

/// What the limits of the options do not forbid: what is no number, more blocks than a schedule
/// counts, and more than are modelled in some seconds.
Result<> check(const SchedulesOptions& options);

/// "256 MB", "1 MiB", "1000 B".
std::string in_bytes(std::uint64_t bytes);

/// "256 MB in blocks of 1 MiB, links of 100 Gb/s and 1.5 us".
std::string title_of(const SchedulesOptions& options);

}  // namespace squall::bench
