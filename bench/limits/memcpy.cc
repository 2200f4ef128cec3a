#include <fmt/format.h>

#include <cstring>
#include <vector>

#include "bench/limits/limits.h"
#include "bench/limits/pair.h"

namespace squall::bench {

Result<Limit> measure_memcpy(std::size_t size, Duration duration) {
  const auto bytes_per_s = run_pair(
      [&](PairSide& side) -> Result<double> {
        std::vector<std::byte> from(size, std::byte{1});
        std::vector<std::byte> to(size, std::byte{2});
        const std::size_t batch = 1 + (std::size_t{1} << 20) / (size + 1);
        auto result = median_of(rounds_per_measurement, [&]() -> Result<double> {
          const Time start = Monotonic::now();
          const Time until = start + round_of(duration);
          std::uint64_t copies = 0;
          Time now = start;
          for (; now < until; now = Monotonic::now()) {
            for (std::size_t i = 0; i < batch; ++i) {
              std::memcpy(to.data(), from.data(), size);
              // The copy must happen although nobody looks at it.
              asm volatile("" : : "r"(to.data()), "r"(from.data()) : "memory");
            }
            copies += batch;
          }
          const double seconds = std::chrono::duration<double>(now - start).count();
          return static_cast<double>(copies) * static_cast<double>(size) / seconds;
        });
        side.finish();
        return result;
      },
      [](PairSide&) -> Result<> { return {}; }, limit_of(duration));
  if (!bytes_per_s) return tl::unexpected(bytes_per_s.error());
  return Limit{fmt::format("memcpy, {} B", size), *bytes_per_s, "bytes/s"};
}

}  // namespace squall::bench
