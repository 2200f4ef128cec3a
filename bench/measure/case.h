#pragma once
// What is measured, and what came out. Plain data.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bench/limits/limits.h"
#include "core/base/time.h"

namespace squall::bench {

enum class Figure : unsigned char { throughput, latency };

struct Case {
  Figure figure = Figure::throughput;
  unsigned members = 3;
  std::size_t size_bytes = 64;
  std::string fabric = "shm";
  bool all_send = false;  ///< else only the first; latency is always that of one sender
  std::string stack = "total | stable";
  double seconds = 1;
  std::optional<unsigned> pin;  ///< all members on this core
  /// More members than cores have them in turn, instead of being left to the scheduler: two runs
  /// differ less.
  bool by_turns = false;
  /// A sender fills the ring with at most this many messages between two turns.
  unsigned burst = 2048;
  std::size_t ring_bytes = std::size_t{2} << 20;
  unsigned idle_groups = 0;  ///< that all members are in as well, and nobody uses
};

struct Measured {
  std::string fabric;         ///< as chosen, when the case says "auto"
  double messages_per_s = 0;  ///< delivered at every member: that of the slowest
  double bytes_per_s = 0;
  /// Latency only: from the send to its own delivery, one message at a time.
  Duration latency_p50{0};
  Duration latency_p99{0};
  Duration latency_max{0};
  std::uint64_t rss_bytes = 0;  ///< the largest member's
  double cpu_s = 0;             ///< of all members, within the window
};

/// A case with the limits beside it, measured before and after.
struct Row {
  Case asked;
  Measured ours;
  std::vector<Limit> limits;
  /// Ours by the first limit: a share of its rate, or how many times its time. 0 without limits.
  double ratio = 0;
};

}  // namespace squall::bench
