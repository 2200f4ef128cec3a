#include "bench/cost/cost.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "bench/launch/interrupt.h"
#include "core/base/time.h"
#include "core/multicast/bulk/cost.h"

namespace squall::bench {
namespace {

/// A line that is further off explains nothing.
constexpr double too_far = 0.5;

double in_us(double seconds) {
  return seconds * 1e6;
}

std::string as_json(const CostOptions& options, const OneWay& measured, const Line& line,
                    const multicast::bulk::Cost& begins_with) {
  nlohmann::ordered_json trips = nlohmann::ordered_json::array();
  for (const Trip& trip : measured.trips)
    trips.push_back({{"bytes", trip.bytes}, {"one_way_us", in_us(trip.seconds)}});
  nlohmann::ordered_json json;
  json["case"] = "cost";
  json["fabric"] = options.fabric;
  json["trips"] = std::move(trips);
  json["latency_us"] = in_us(line.latency_s);
  json["bytes_per_s"] = line.bytes_per_second;
  json["worst"] = line.worst;
  json["auto"] = {{"latency_us", in_us(std::chrono::duration<double>(begins_with.latency).count())},
                  {"bytes_per_s", begins_with.bytes_per_second}};
  return json.dump() + "\n";
}

}  // namespace

std::string cost_text(const CostOptions& options, const OneWay& measured, const Line& line) {
  const multicast::bulk::Cost& begins_with = measured.usual;
  if (options.json) return as_json(options, measured, line, begins_with);
  std::string text =
      fmt::format("one way over {}, from one process of this host to another{}\n", options.fabric,
                  measured.maps ? ", which copies the bytes out" : "");
  for (const Trip& trip : measured.trips)
    text += fmt::format("  {:>8} B  {:>10.2f} us, by the line {:>10.2f} us\n", trip.bytes,
                        in_us(trip.seconds), in_us(line.seconds(trip.bytes)));
  text += fmt::format("  the line           {:.2f} us and {:.2f} GB/s, at most {:.0f} % off\n",
                      in_us(line.latency_s), line.bytes_per_second / 1e9, 100 * line.worst);
  text += fmt::format("  auto without it    {:.2f} us and {:.2f} GB/s\n",
                      in_us(std::chrono::duration<double>(begins_with.latency).count()),
                      begins_with.bytes_per_second / 1e9);
  if (line.worst > too_far)
    return text + "no line: measure again, for longer, on a machine that is less busy\n";
  text += fmt::format(
      "so that auto goes by it: fabric.link_latency_ns = {}, fabric.link_bytes_per_second = "
      "{}\n",
      std::max(1LL, std::llround(line.latency_s * 1e9)), std::llround(line.bytes_per_second));
  return text;
}

int measure_cost(const CostOptions& options) {
  catch_interrupts();
  const auto failed = [](const Error& error) {
    fmt::print(stderr, "squall: {}\n", error.text());
    return error.code == Code::invalid ? 2 : 1;
  };
  const auto duration =
      std::chrono::duration_cast<Duration>(std::chrono::duration<double>(options.seconds));
  const auto measured = measure_one_way(options.fabric, duration);
  if (!measured) return failed(measured.error());
  const auto line = fit(measured->trips);
  if (!line) {
    failed(line.error());
    return 1;
  }
  fmt::print("{}", cost_text(options, *measured, *line));
  return 0;
}

}  // namespace squall::bench
