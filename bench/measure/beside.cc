#include "bench/measure/beside.h"

#include <algorithm>

#include "bench/measure/run.h"

namespace squall::bench {
namespace {

/// Share of a case's own time that each limit gets, before and after.
constexpr double limit_share = 0.25;
/// Under this a limit is mostly start and noise.
constexpr Duration least_limit = 100ms;

/// What one message at a time costs, where it takes a wire.
bool in_memory(const Case& asked) {
  return asked.fabric == "shm" || asked.fabric == "auto" || asked.fabric == "ofi:shm";
}

}  // namespace

Result<std::vector<Limit>> limits_beside(const Case& asked, Duration each) {
  std::vector<Limit> limits;
  Result<> added;
  const auto add = [&](Result<Limit> limit) {
    if (limit)
      limits.push_back(std::move(*limit));
    else if (added)
      added = tl::unexpected(limit.error());
  };
  const std::size_t size = asked.size_bytes;
  if (asked.figure == Figure::latency) {
    if (in_memory(asked)) {
      add(measure_shared_memory_one_way(size, each));
    } else {
      add(measure_tcp_round_trip(size, each));
      add(measure_libfabric_round_trip(size, each));
    }
  } else {
    if (in_memory(asked)) {
      add(measure_ring(size, Publish::every_entry, each));
      add(measure_ring(size, Publish::batches, each));
    } else {
      for (const Sends sends : {Sends::one_each, Sends::joined}) {
        add(measure_libfabric_stream(size, sends, each));
        add(measure_tcp_stream(size, sends, each));
      }
    }
    add(measure_memcpy(std::max<std::size_t>(size, 1), each));
  }
  if (!added) return tl::unexpected(added.error());
  return limits;
}

std::vector<Limit> between(const std::vector<Limit>& before, const std::vector<Limit>& after) {
  std::vector<Limit> means = before;
  for (std::size_t i = 0; i < means.size() && i < after.size(); ++i)
    means[i].value = (before[i].value + after[i].value) / 2;
  return means;
}

double ratio_of(const Measured& ours, const Limit& limit) {
  if (limit.value <= 0) return 0;
  if (limit.unit == "us")
    return std::chrono::duration<double, std::micro>(ours.latency_p50).count() / limit.value;
  return (limit.unit == "bytes/s" ? ours.bytes_per_s : ours.messages_per_s) / limit.value;
}

Result<Row> run_beside_limits(const Case& asked) {
  const auto share = std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(limit_share * asked.seconds));
  const Duration each = std::max(share, least_limit);
  auto before = limits_beside(asked, each);
  if (!before) return tl::unexpected(before.error());
  auto ours = run_case(asked);
  if (!ours) return tl::unexpected(ours.error());
  auto after = limits_beside(asked, each);
  if (!after) return tl::unexpected(after.error());
  Row row{asked, std::move(*ours), between(*before, *after), 0};
  if (!row.limits.empty()) row.ratio = ratio_of(row.ours, row.limits.front());
  return row;
}

}  // namespace squall::bench
