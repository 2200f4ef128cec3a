#include "bench/schedules/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>

namespace squall::bench {
namespace {

constexpr std::uint64_t most_blocks = std::numeric_limits<multicast::bulk::Block>::max();
/// A run asks each member about each step, which are most in the sequential schedule, and remembers
/// each block at each member: some ten seconds, and some hundred MB.
std::uint64_t most_modelled(std::uint64_t members) {
  constexpr std::uint64_t most_steps = std::uint64_t{1} << 30;
  constexpr std::uint64_t few_members = 256;
  return most_steps / (members * std::max(members, few_members));
}

}  // namespace

Network SchedulesOptions::network() const {
  return {.bytes_per_second = gbit_per_s * 1e9 / 8,
          .latency = Duration(std::llround(latency_us * 1e3)),
          .window = window,
          .ready = ready};
}

Result<> check(const SchedulesOptions& options) {
  const std::uint64_t blocks = options.object.blocks();
  const std::string what =
      fmt::format("{} in blocks of {} are {} blocks", in_bytes(options.object.bytes),
                  in_bytes(options.object.block_bytes), blocks);
  if (blocks > most_blocks)
    return fail(Code::too_large,
                fmt::format("{}, and a schedule counts no more than {}", what, most_blocks),
                "take a larger --block");
  const std::uint64_t members = *std::ranges::max_element(options.members);
  if (blocks > most_modelled(members))
    return fail(Code::too_large,
                fmt::format("{}, and to {} members no more than {} are modelled", what, members,
                            most_modelled(members)),
                "take a larger --block, a smaller --size or fewer --members");
  return {};
}

std::string in_bytes(std::uint64_t bytes) {
  constexpr std::pair<std::uint64_t, std::string_view> units[] = {
      {1ull << 30, "GiB"}, {1'000'000'000, "GB"}, {1ull << 20, "MiB"},
      {1'000'000, "MB"},   {1ull << 10, "KiB"},
  };
  for (const auto& [size, unit] : units)
    if (bytes != 0 && bytes % size == 0) return fmt::format("{} {}", bytes / size, unit);
  return fmt::format("{} B", bytes);
}

std::string title_of(const SchedulesOptions& options) {
  return fmt::format("{} in blocks of {}, links of {} Gb/s and {} us",
                     in_bytes(options.object.bytes), in_bytes(options.object.block_bytes),
                     options.gbit_per_s, options.latency_us);
}

}  // namespace squall::bench
