#include "bench/rpc/calls.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bench/launch/crew.h"
#include "bench/launch/window.h"
#include "core/fabric/topology.h"

namespace squall::bench {
namespace {

using nlohmann::json;

// As for messages (bench/measure/run.cc).
constexpr Duration warm_up = 300ms;
constexpr Duration grace = 15s;

}  // namespace

std::string name_of(Calls calls) {
  constexpr const char* names[] = {"update", "read_here", "read_there", "none"};
  return names[static_cast<std::size_t>(calls)];
}

Result<Called> run_calls(Calls calls, const CallsPlan& plan) {
  Config config;
  config.provider = plan.fabric;
  config.failure_timeout = plan.failure_timeout;
  GroupConfig group;
  group.name = "bench";
  config.groups = {group};
  for (unsigned other = 1; other < plan.groups; ++other) {
    group.name = fmt::format("idle{}", other);
    config.groups.push_back(group);
  }
  const std::vector<fabric::Core> cores = fabric::usable_cores();
  const auto task = [&](unsigned index) {
    return json{{"calls", name_of(calls)},
                {"calling", index == 0},
                {"core", cores.size() >= 2 ? static_cast<int>(cores[index]) : -1}};
  };
  auto crew = Crew::start({{"member", "rpc"}, 2, config, task});
  if (!crew) return tl::unexpected(crew.error());
  Called called;
  const auto take = [&](const json& from) {
    const double executed = from.at("executed").get<double>() / from.at("seconds").get<double>();
    called.per_s = called.per_s == 0 ? executed : std::min(called.per_s, executed);
    called.median_ns = std::max(called.median_ns, from.at("median_ns").get<double>());
    called.core_share = std::max(called.core_share, from.at("core_share").get<double>());
    called.rss_bytes = std::max(called.rss_bytes, from.at("rss_bytes").get<std::uint64_t>());
  };
  auto done = run_window(
      *crew,
      {.to_be_ready = config.start_timeout + grace,
       .warm_up = warm_up,
       .seconds = plan.seconds,
       .grace = grace},
      [](const json&) {}, take);
  if (!done) return tl::unexpected(done.error());
  return called;
}

}  // namespace squall::bench
