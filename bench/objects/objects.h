#pragma once
// `squall bench objects`: large objects to a group, beside what moves their bytes without one.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/limits/limits.h"
#include "core/base/error.h"
#include "core/base/time.h"

namespace squall::bench {

struct ObjectsOptions {
  unsigned members = 2;
  std::size_t size_bytes = 100'000'000;
  std::string fabric = "shm";
  std::string schedule = "auto";
  std::size_t block_bytes = std::size_t{1} << 20;
  double seconds = 3;
  /// Receivers read where the bytes lie; else whoever shares memory with the sender copies them
  /// out, so that each ends with bytes of its own, as it does over a network anyway.
  bool in_place = false;
  /// The sender writes all bytes of each object, as one that makes it; else eight in 64 KiB.
  bool fill = false;
  bool beside = false;  ///< measure small messages of another member meanwhile, and before
  bool json = false;
};

struct Objects {
  double objects_per_s = 0;     ///< delivered at every member: that of the slowest
  Duration idle_p50{0};         ///< of small messages, with `beside`: from send to own delivery
  Duration beside_p50{0};       ///< the same while objects travel
  std::uint64_t rss_bytes = 0;  ///< the largest member's
  double cpu_s = 0;             ///< of all members
};

/// One run with members in processes of their own.
Result<Objects> run_objects(const ObjectsOptions& asked);

/// Prints ours and the limits beside it; gives the exit status.
int measure_objects(const ObjectsOptions& options);

}  // namespace squall::bench
