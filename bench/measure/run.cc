#include "bench/measure/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bench/launch/crew.h"
#include "bench/launch/window.h"
#include "bench/measure/load.h"
#include "core/fabric/topology.h"

namespace squall::bench {
namespace {

using nlohmann::json;

/// From the word go to the start of the window: queues fill, caches and clocks settle.
constexpr Duration warm_up = 300ms;
/// Over everything else, before a run counts as hung.
constexpr Duration grace = 15s;

void fold(const json& from, const Case& asked, bool first, Measured& into) {
  const double rate = from.at("delivered").get<double>() / from.at("seconds").get<double>();
  into.messages_per_s = first ? rate : std::min(into.messages_per_s, rate);
  into.bytes_per_s = into.messages_per_s * static_cast<double>(asked.size_bytes);
  into.rss_bytes = std::max(into.rss_bytes, from.at("rss_bytes").get<std::uint64_t>());
  into.cpu_s += from.at("cpu_s").get<double>();
  if (const Duration max(from.value("max_ns", Duration::rep{0})); max > into.latency_max) {
    into.latency_p50 = Duration(from.at("p50_ns").get<Duration::rep>());
    into.latency_p99 = Duration(from.at("p99_ns").get<Duration::rep>());
    into.latency_max = max;
  }
}

}  // namespace

std::optional<unsigned> core_for(const Case& asked, unsigned index,
                                 const std::vector<unsigned>& cores) {
  if (asked.pin) return asked.pin;
  if (cores.empty() || (cores.size() < asked.members && !asked.by_turns)) return std::nullopt;
  return cores[index % cores.size()];
}

Result<Measured> run_case(const Case& asked) {
  Config config;
  config.provider = asked.fabric;
  GroupConfig group;
  group.name = bench_group;
  group.stack = asked.stack;
  group.ring_bytes = asked.ring_bytes;
  if (!asked.all_send) group.senders = {member_name(0)};
  config.groups = {group};
  for (unsigned idle = 0; idle < asked.idle_groups; ++idle) {
    group.name = fmt::format("idle{}", idle);
    group.senders.clear();
    config.groups.push_back(group);
  }
  const std::vector<fabric::Core> cores = fabric::usable_cores();
  const auto task = [&](unsigned index) {
    const auto core = core_for(asked, index, cores);
    return json{{"figure", asked.figure == Figure::latency ? "latency" : "throughput"},
                {"size_bytes", asked.size_bytes},
                {"burst", asked.burst},
                {"sends", index == 0 || (asked.all_send && asked.figure == Figure::throughput)},
                {"core", core ? static_cast<int>(*core) : -1}};
  };
  auto crew = Crew::start({{"member", "bench"}, asked.members, config, task});
  if (!crew) return tl::unexpected(crew.error());

  Measured measured;
  bool first = true;
  auto done = run_window(
      *crew,
      {.to_be_ready = config.start_timeout + grace,
       .warm_up = warm_up,
       .seconds = asked.seconds,
       .grace = grace},
      [&](const json& from) { measured.fabric = from.at("fabric"); },
      [&](const json& from) {
        fold(from, asked, first, measured);
        first = false;
      });
  if (!done) return tl::unexpected(done.error());
  return measured;
}

}  // namespace squall::bench
