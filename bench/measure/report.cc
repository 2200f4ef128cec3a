#include "bench/measure/report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace squall::bench {
namespace {

double in_us(Duration time) {
  return std::chrono::duration<double, std::micro>(time).count();
}

std::string_view figure_name(const Case& asked) {
  return asked.figure == Figure::latency ? "latency" : "throughput";
}

std::string_view senders_of(const Case& asked) {
  return asked.all_send ? "all" : "one";
}

std::string scaled(double value, std::string_view what) {
  if (value >= 1e9) return fmt::format("{:.2f} G{}", value / 1e9, what);
  if (value >= 1e6) return fmt::format("{:.2f} M{}", value / 1e6, what);
  if (value >= 1e3) return fmt::format("{:.1f} k{}", value / 1e3, what);
  return fmt::format("{:.0f} {}", value, what);
}

}  // namespace

std::string in_unit(double value, std::string_view unit) {
  if (unit == "messages/s") return scaled(value, "/s");
  if (unit == "bytes/s") return scaled(value, "B/s");
  if (unit == "us") return fmt::format("{:.{}f} us", value, value < 10 ? 2 : 1);
  return fmt::format("{} {}", value, unit);
}

std::string name_of(const Case& asked) {
  std::string name = fmt::format("{} {} {}x {}B {}", figure_name(asked), asked.fabric,
                                 asked.members, asked.size_bytes, senders_of(asked));
  if (asked.pin) name += fmt::format(" core{}", *asked.pin);
  return name;
}

std::string for_people(const Row& row) {
  const Measured& ours = row.ours;
  std::string text =
      fmt::format("{}, {} members, {} B, {} sending, {}\n", ours.fabric, row.asked.members,
                  row.asked.size_bytes, senders_of(row.asked), row.asked.stack);
  if (row.asked.figure == Figure::latency)
    text +=
        fmt::format("  send to own delivery       median {:.2f} us, p99 {:.2f} us, max {:.1f} us\n",
                    in_us(ours.latency_p50), in_us(ours.latency_p99), in_us(ours.latency_max));
  text +=
      fmt::format("  delivered at every member  {}, {}\n",
                  in_unit(ours.messages_per_s, "messages/s"), in_unit(ours.bytes_per_s, "bytes/s"));
  bool first = true;
  for (const Limit& limit : row.limits) {
    text += fmt::format("  {:<50}{}", limit.what, in_unit(limit.value, limit.unit));
    if (first) text += fmt::format("   ours is {:.2f} of it", row.ratio);
    text += '\n';
    first = false;
  }
  text += fmt::format("  memory, largest member     {:.1f} MiB;  CPU of all {:.2f} s\n",
                      static_cast<double>(ours.rss_bytes) / (1 << 20), ours.cpu_s);
  return text;
}

std::string as_json(const Row& row) {
  nlohmann::ordered_json limits = nlohmann::ordered_json::array();
  for (const Limit& limit : row.limits)
    limits.push_back({{"what", limit.what}, {"value", limit.value}, {"unit", limit.unit}});
  nlohmann::ordered_json line;
  line["case"] = name_of(row.asked);
  line["figure"] = figure_name(row.asked);
  line["fabric"] = row.ours.fabric;
  line["members"] = row.asked.members;
  line["size_bytes"] = row.asked.size_bytes;
  line["senders"] = senders_of(row.asked);
  line["stack"] = row.asked.stack;
  line["seconds"] = row.asked.seconds;
  line["messages_per_s"] = row.ours.messages_per_s;
  line["bytes_per_s"] = row.ours.bytes_per_s;
  if (row.asked.figure == Figure::latency)
    line["latency_us"] = {{"p50", in_us(row.ours.latency_p50)},
                          {"p99", in_us(row.ours.latency_p99)},
                          {"max", in_us(row.ours.latency_max)}};
  else
    line["latency_us"] = {{"p50", nullptr}, {"p99", nullptr}, {"max", nullptr}};
  line["limits"] = std::move(limits);
  line["ratio"] = row.ratio;
  line["rss_bytes"] = row.ours.rss_bytes;
  line["cpu_s"] = row.ours.cpu_s;
  return line.dump();
}

}  // namespace squall::bench
