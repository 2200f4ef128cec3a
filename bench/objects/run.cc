#include <algorithm>
#include <bit>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>

#include "bench/launch/crew.h"
#include "bench/launch/window.h"
#include "bench/objects/member.h"
#include "bench/objects/objects.h"
#include "core/fabric/topology.h"
#include "groups/config.h"

namespace squall::bench {
namespace {

using nlohmann::json;

/// Small messages alone; then objects before they count: links and clocks settle.
constexpr Duration lonely = 300ms, warm_up = 700ms;
/// Over everything else, before a run counts as hung.
constexpr Duration grace = 30s;
/// What a sender may have under way at once: two objects, so that one travels while the next is
/// filled, or as many small ones as these bytes are. Memory that is used again sooner is still in
/// the caches.
constexpr std::size_t least_under_way = 2;
constexpr std::size_t under_way_bytes = std::size_t{8} << 20;

/// Those that fill every buffer once, before anything else: memory that nobody has touched yet is
/// several times slower, and what counts is what comes after.
std::size_t first_objects(std::size_t large_memory, std::size_t size_bytes) {
  constexpr std::size_t least_page = 4096;
  return large_memory / std::max(least_page, size_bytes) + 1;
}

/// Slower than any machine takes them.
Duration longest_for(std::size_t objects, std::size_t size_bytes) {
  constexpr double bytes_per_second = 50e6;
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(
      static_cast<double>(objects) * static_cast<double>(size_bytes) / bytes_per_second));
}

std::optional<Schedule> schedule_named(const std::string& name) {
  if (name == "auto") return Schedule::automatic;
  if (name == "sequential") return Schedule::sequential;
  if (name == "chain") return Schedule::chain;
  if (name == "binomial_tree") return Schedule::binomial_tree;
  if (name == "binomial_pipeline") return Schedule::binomial_pipeline;
  return std::nullopt;
}

}  // namespace

Result<Objects> run_objects(const ObjectsOptions& asked) {
  Config config;
  config.provider = asked.fabric;
  GroupConfig group;
  group.name = objects_group;
  group.senders = {member_name(0)};
  const auto schedule = schedule_named(asked.schedule);
  if (!schedule)
    return fail(Code::invalid, "there is no schedule " + asked.schedule,
                "auto, sequential, chain, binomial_tree or binomial_pipeline");
  group.schedule = *schedule;
  group.block_bytes = asked.block_bytes;
  group.large_memory = std::bit_ceil(std::max(least_under_way * asked.size_bytes, under_way_bytes));
  const std::size_t first = first_objects(group.large_memory, asked.size_bytes);
  GroupConfig beside;
  beside.name = beside_group;
  config.groups = {group, beside};
  const std::vector<fabric::Core> cores = fabric::usable_cores();
  auto crew = Crew::start({{"member", "objects"}, asked.members, config, [&](unsigned index) {
                             const bool pins = cores.size() >= asked.members;
                             return json{{"size_bytes", asked.size_bytes},
                                         {"first", first},
                                         {"copies", !asked.in_place},
                                         {"fills", asked.fill},
                                         {"sends", index == 0},
                                         {"asks", asked.beside && index == 1},
                                         {"core", pins ? static_cast<int>(cores[index]) : -1}};
                           }});
  if (!crew) return tl::unexpected(crew.error());
  Objects objects;
  bool is_first = true;
  const auto take = [&](const json& from) {
    const double rate = from.at("taken").get<double>() / from.at("seconds").get<double>();
    objects.objects_per_s = is_first ? rate : std::min(objects.objects_per_s, rate);
    objects.rss_bytes = std::max(objects.rss_bytes, from.at("rss_bytes").get<std::uint64_t>());
    objects.cpu_s += from.at("cpu_s").get<double>();
    objects.idle_p50 =
        std::max(objects.idle_p50, Duration(from.at("idle_ns").get<Duration::rep>()));
    objects.beside_p50 =
        std::max(objects.beside_p50, Duration(from.at("beside_ns").get<Duration::rep>()));
    is_first = false;
  };
  auto done = run_window(
      *crew,
      {.to_be_ready = config.start_timeout + grace + longest_for(first, asked.size_bytes),
       .alone = lonely,
       .warm_up = warm_up,
       .seconds = asked.seconds,
       .grace = grace},
      [](const json&) {}, take);
  if (!done) return tl::unexpected(done.error());
  return objects;
}

}  // namespace squall::bench
