#include "bench/schedules/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace squall::bench {
namespace {

double in_ms(Duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

double in_seconds(Duration time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

std::string in_words(multicast::bulk::Kind kind) {
  std::string words(name(kind));
  std::ranges::replace(words, '_', ' ');
  return words;
}

std::string as_table(const SchedulesOptions& options, const std::vector<Replicated>& rows) {
  std::string text = title_of(options) + "; milliseconds until every member has it\n\n";
  text += fmt::format("{:>7}", "members");
  for (const auto kind : all_schedules) text += fmt::format("{:>19}", in_words(kind));
  text += "   auto takes\n";
  for (const Replicated& row : rows) {
    text += fmt::format("{:>7}", row.members);
    for (const Duration time : row.took) text += fmt::format("{:>19.3f}", in_ms(time));
    text += fmt::format("   {}\n", in_words(row.chosen));
  }
  return text;
}

std::string as_json(const SchedulesOptions& options, const std::vector<Replicated>& rows) {
  std::string text;
  for (const Replicated& row : rows)
    for (std::size_t i = 0; i < all_schedules.size(); ++i) {
      nlohmann::ordered_json line;
      line["case"] = "schedules";
      line["schedule"] = name(all_schedules[i]);
      line["members"] = row.members;
      line["size_bytes"] = options.object.bytes;
      line["block_bytes"] = options.object.block_bytes;
      line["gbit_per_s"] = options.gbit_per_s;
      line["latency_us"] = options.latency_us;
      line["window"] = options.window;
      line["ready"] = options.ready;
      line["seconds"] = in_seconds(row.took[i]);
      line["estimated_seconds"] = in_seconds(row.estimated[i]);
      line["auto"] = row.chosen == all_schedules[i];
      text += line.dump() + '\n';
    }
  return text;
}

}  // namespace squall::bench
