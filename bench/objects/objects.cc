#include "bench/objects/objects.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "bench/launch/interrupt.h"

namespace squall::bench {
namespace {

constexpr double limit_share = 0.25;
constexpr Duration least_limit = 300ms;

/// What moves as many bytes without a group. The first is what ours is held against.
Result<std::vector<Limit>> limits_of(const ObjectsOptions& asked) {
  const auto share = std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(limit_share * asked.seconds));
  const Duration each = std::max(share, least_limit);
  const std::size_t size = std::max<std::size_t>(asked.size_bytes, 1);
  std::vector<Limit> limits;
  Result<> added;
  const auto add = [&](Result<Limit> limit) {
    if (limit)
      limits.push_back(std::move(*limit));
    else if (added)
      added = tl::unexpected(limit.error());
  };
  if (asked.fabric == "shm") {
    add(measure_memcpy(size, each));
    add(measure_copy_between(size, each));
  } else if (asked.members == 2) {
    add(measure_libfabric_blocks(size, asked.block_bytes, each));
    add(measure_tcp_chain(size, 2, each));
  } else {
    add(measure_tcp_chain(size, std::max(asked.members, 2u), each));
  }
  if (!added) return tl::unexpected(added.error());
  return limits;
}

double in_us(Duration time) {
  return std::chrono::duration<double, std::micro>(time).count();
}

/// Bytes that have come to all who receive, as a limit over tcp counts them; where they are read
/// in place, an object's bytes.
double moved_per_s(const ObjectsOptions& asked, const Objects& ours) {
  const double copies = asked.fabric == "shm" || asked.members < 2 ? 1 : asked.members - 1;
  return ours.objects_per_s * static_cast<double>(asked.size_bytes) * copies;
}

std::string as_json(const ObjectsOptions& asked, const Objects& ours,
                    const std::vector<Limit>& limits, double ratio) {
  nlohmann::ordered_json listed = nlohmann::ordered_json::array();
  for (const Limit& limit : limits)
    listed.push_back({{"what", limit.what}, {"value", limit.value}, {"unit", limit.unit}});
  nlohmann::ordered_json line;
  line["case"] = "objects";
  line["fabric"] = asked.fabric;
  line["members"] = asked.members;
  line["size_bytes"] = asked.size_bytes;
  line["schedule"] = asked.schedule;
  line["block_bytes"] = asked.block_bytes;
  line["in_place"] = asked.in_place;
  line["fill"] = asked.fill;
  line["messages_per_s"] = ours.objects_per_s;
  line["bytes_per_s"] = ours.objects_per_s * static_cast<double>(asked.size_bytes);
  if (asked.beside)
    line["beside_us"] = {{"idle_p50", in_us(ours.idle_p50)}, {"p50", in_us(ours.beside_p50)}};
  line["limits"] = std::move(listed);
  line["ratio"] = ratio;
  line["rss_bytes"] = ours.rss_bytes;
  line["cpu_s"] = ours.cpu_s;
  return line.dump() + "\n";
}

std::string for_people(const ObjectsOptions& asked, const Objects& ours,
                       const std::vector<Limit>& limits, double moved) {
  std::string text =
      fmt::format("objects of {} B over {}, {} members, {} in blocks of {} B, {}{}\n",
                  asked.size_bytes, asked.fabric, asked.members, asked.schedule, asked.block_bytes,
                  asked.in_place ? "read in place" : "each to memory of its own",
                  asked.fill ? ", all bytes written by the sender" : "");
  text +=
      fmt::format("  delivered at every member  {:.1f} /s, {:.2f} GB/s; moved {:.2f} GB/s\n",
                  ours.objects_per_s,
                  ours.objects_per_s * static_cast<double>(asked.size_bytes) / 1e9, moved / 1e9);
  for (const Limit& limit : limits)
    text += fmt::format("  {:<60}{:.2f} GB/s   ours is {:.2f} of it\n", limit.what,
                        limit.value / 1e9, moved / limit.value);
  if (asked.beside)
    text += fmt::format(
        "  64 B of another member beside it: median {:.1f} us, {:.1f} us alone: {:.1f} times\n",
        in_us(ours.beside_p50), in_us(ours.idle_p50),
        in_us(ours.beside_p50) / std::max(in_us(ours.idle_p50), 1e-3));
  text += fmt::format("  memory, largest member     {:.1f} MiB;  CPU of all {:.2f} s\n",
                      static_cast<double>(ours.rss_bytes) / (1 << 20), ours.cpu_s);
  return text;
}

}  // namespace

int measure_objects(const ObjectsOptions& options) {
  catch_interrupts();
  const auto failed = [](const Error& error) {
    fmt::print(stderr, "squall: {}\n", error.text());
    return error.code == Code::invalid ? 2 : 1;
  };
  auto limits = limits_of(options);
  if (!limits) return failed(limits.error());
  const auto ours = run_objects(options);
  if (!ours) return failed(ours.error());
  const auto after = limits_of(options);
  if (!after) return failed(after.error());
  for (std::size_t at = 0; at < limits->size(); ++at)
    (*limits)[at].value = ((*limits)[at].value + (*after)[at].value) / 2;
  const double moved = moved_per_s(options, *ours);
  const double ratio = limits->empty() ? 0 : moved / limits->front().value;
  fmt::print("{}", options.json ? as_json(options, *ours, *limits, ratio)
                                : for_people(options, *ours, *limits, moved));
  return 0;
}

}  // namespace squall::bench
