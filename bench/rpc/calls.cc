#include "bench/rpc/calls.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "bench/launch/crew.h"
#include "bench/launch/gather.h"
#include "core/fabric/topology.h"

namespace squall::bench {
namespace {

using nlohmann::json;

// As for messages (bench/measure/run.cc).
constexpr Duration warm_up = 300ms;
constexpr Duration grace = 15s;
constexpr Duration settle = 5s;

}  // namespace

std::string name_of(Calls calls) {
  return calls == Calls::update ? "update" : calls == Calls::read_here ? "read_here" : "read_there";
}

Result<double> run_calls(Calls calls, const std::string& fabric, double seconds) {
  Config config;
  config.provider = fabric;
  GroupConfig group;
  group.name = "bench";
  config.groups = {group};
  const std::vector<fabric::Core> cores = fabric::usable_cores();
  const auto task = [&](unsigned index) {
    return json{{"calls", name_of(calls)},
                {"calling", index == 0},
                {"core", cores.size() >= 2 ? static_cast<int>(cores[index]) : -1}};
  };
  auto crew = Crew::start({{"member", "rpc"}, 2, config, task});
  if (!crew) return tl::unexpected(crew.error());
  Time deadline = Monotonic::now() + config.start_timeout + grace;
  if (auto ready = gather(*crew, "ready", deadline, [](const json&) {}); !ready)
    return tl::unexpected(ready.error());
  const Time start = Monotonic::now() + warm_up;
  const Time end =
      start + std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  crew->tell_all({{"go",
                   {{"start_ns", start.time_since_epoch().count()},
                    {"end_ns", end.time_since_epoch().count()}}}});
  double rate = 0, median_ns = 0;
  auto results = gather(*crew, "result", end + grace, [&](const json& from) {
    const double executed = from.at("executed").get<double>() / from.at("seconds").get<double>();
    rate = rate == 0 ? executed : std::min(rate, executed);
    median_ns = std::max(median_ns, from.at("median_ns").get<double>());
  });
  if (!results) return tl::unexpected(results.error());
  crew->tell_all({{"stop", true}});
  deadline = Monotonic::now() + settle;
  while (crew->running() > 0 && crew->next(deadline)) {
  }
  return calls == Calls::update ? rate : median_ns;
}

}  // namespace squall::bench
