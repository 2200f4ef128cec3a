#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "bench/limits/limits.h"
#include "bench/limits/sides.h"

namespace squall::bench {

namespace {

/// Bytes per second that `size` bytes are copied with, again and again.
Result<double> copy(std::byte* to, const std::byte* from, std::size_t size, Duration duration) {
  const std::size_t batch = 1 + (std::size_t{1} << 20) / (size + 1);
  return median_of(rounds_per_measurement, [&]() -> Result<double> {
    const Time start = Monotonic::now();
    const Time until = start + round_of(duration);
    std::uint64_t copies = 0;
    Time now = start;
    for (; now < until; now = Monotonic::now()) {
      for (std::size_t i = 0; i < batch; ++i) {
        std::memcpy(to, from, size);
        // The copy must happen although nobody looks at it.
        asm volatile("" : : "r"(to), "r"(from) : "memory");
      }
      copies += batch;
    }
    const double seconds = std::chrono::duration<double>(now - start).count();
    return static_cast<double>(copies) * static_cast<double>(size) / seconds;
  });
}

}  // namespace

Result<Limit> measure_memcpy(std::size_t size, Duration duration) {
  const auto bytes_per_s = run_pair(
      [&](Side& side) {
        const std::vector<std::byte> from(size, std::byte{1});
        std::vector<std::byte> to(size, std::byte{2});
        auto rate = copy(to.data(), from.data(), size, duration);
        side.finish();
        return rate;
      },
      [](Side&) -> Result<> { return {}; }, limit_of(duration));
  if (!bytes_per_s) return tl::unexpected(bytes_per_s.error());
  return Limit{fmt::format("memcpy, {} B", size), *bytes_per_s, "bytes/s"};
}

Result<Limit> measure_copy_between(std::size_t size, Duration duration) {
  auto shared = SharedBlock::create(std::max<std::size_t>(size, 1));
  if (!shared) return tl::unexpected(shared.error());
  const auto bytes_per_s = run_pair(
      [&](Side& side) {
        std::vector<std::byte> to(size, std::byte{2});
        side.meet();
        auto rate = copy(to.data(), shared->data(), size, duration);
        side.finish();
        return rate;
      },
      [&](Side& side) -> Result<> {
        std::memset(shared->data(), 1, size);
        side.meet();
        return {};
      },
      limit_of(duration));
  if (!bytes_per_s) return tl::unexpected(bytes_per_s.error());
  return Limit{fmt::format("copy out of another process's memory, {} B", size), *bytes_per_s,
               "bytes/s"};
}

}  // namespace squall::bench
