#include "bench/membership/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "bench/samples/samples.h"

namespace squall::bench {
namespace {

enum class Which : unsigned char { all, coordinator, another };

Samples samples(const Tally& tally, Which which, Duration Outcome::*time) {
  Samples made(std::max<std::size_t>(tally.outcomes.size(), 1));
  for (const Outcome& outcome : tally.outcomes)
    if (which == Which::all || (outcome.victim == 0) == (which == Which::coordinator))
      made.add(outcome.*time);
  return made;
}

double in_us(Duration time) {
  return std::chrono::duration<double, std::micro>(time).count();
}

double in_ms(Duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

std::string line(std::string_view what, const Samples& samples, Duration less = Duration{0}) {
  if (samples.count() == 0) return {};
  return fmt::format("  {:<44}{:>5}{:>10.2f}{:>10.2f}{:>10.2f}\n", what, samples.count(),
                     in_ms(samples.percentile(0.5) - less), in_ms(samples.percentile(0.99) - less),
                     in_ms(samples.max() - less));
}

nlohmann::ordered_json times(const Samples& samples, Duration less = Duration{0}) {
  if (samples.count() == 0) return {{"p50", nullptr}, {"p99", nullptr}, {"max", nullptr}};
  return {{"p50", in_us(samples.percentile(0.5) - less)},
          {"p99", in_us(samples.percentile(0.99) - less)},
          {"max", in_us(samples.max() - less)}};
}

/// What no survivor can beat. Of a leave there is nothing of the kind.
struct Floor {
  std::string_view what;
  Duration median;
};

std::optional<Floor> floor_of(const MembershipOptions& options, const Tally& tally) {
  if (options.event == Event::leave || options.event == Event::join) return std::nullopt;
  if (options.event == Event::stop) return Floor{"the timeout", options.timeout()};
  return Floor{"the killed process ended",
               samples(tally, Which::all, &Outcome::ended).percentile(0.5)};
}

std::string_view in_words(Event event, bool warm) {
  switch (event) {
    case Event::kill:
      return "one killed";
    case Event::stop:
      return "one stopped";
    case Event::leave:
      return "one leaves";
    case Event::join:
      break;
  }
  return warm ? "one more joins, which has looked for fabrics before" : "one more joins";
}

struct Bar {
  std::string_view what;
  Duration required;
  Duration measured;
};

std::vector<Bar> bars_of(const MembershipOptions& options, const Tally& tally) {
  if (options.event != Event::join || options.members != join_bar_members || tally.outcomes.empty())
    return {};
  const auto median = [&](Duration Outcome::*time) {
    return samples(tally, Which::all, time).percentile(0.5);
  };
  return {{"to the joiner's first delivery", join_bar, median(&Outcome::joined)},
          {"longest time without a delivery", join_pause_bar, median(&Outcome::pause)}};
}

std::string lines_of_join(const MembershipOptions& options, const Tally& tally) {
  const auto one = [&](std::string_view what, Duration Outcome::*time) {
    return line(what, samples(tally, Which::all, time));
  };
  std::string text = one("to the joiner's first delivery", &Outcome::joined) +
                     one("  its Node::start returned", &Outcome::ended) +
                     one("to the last old member's new view", &Outcome::view) +
                     one("to everybody's deliveries from all", &Outcome::resumed) +
                     one("old members: longest without a delivery", &Outcome::pause) +
                     one("  before that", &Outcome::normal_pause) +
                     one("old members: slowest send to own delivery", &Outcome::slowest) +
                     one("  before that", &Outcome::normal_slowest);
  for (const Bar& bar : bars_of(options, tally))
    text += fmt::format("  bar: {}, median at most {} ms: {}\n", bar.what, bar.required / 1ms,
                        bar.measured <= bar.required ? "pass" : "missed");
  return text;
}

std::string lines_of_end(const MembershipOptions& options, const Tally& tally) {
  const bool leave = options.event == Event::leave;
  const Samples all = samples(tally, Which::all, &Outcome::view);
  std::string text = line("to the last survivor's new view", all);
  text += line("  of the coordinator's end", samples(tally, Which::coordinator, &Outcome::view));
  text += line("  of another's", samples(tally, Which::another, &Outcome::view));
  if (options.event != Event::stop)
    text += line(leave ? "the leaver's leave() returned" : "the killed process ended",
                 samples(tally, Which::all, &Outcome::ended));
  else
    text += line("the same, less the timeout", all, options.timeout());
  text += line("to the last survivor's deliveries from all",
               samples(tally, Which::all, &Outcome::resumed));
  return text;
}

std::string_view since(Event event) {
  switch (event) {
    case Event::leave:
      return "from the leaver's request, ms";
    case Event::join:
      return "from the joiner's request, ms";
    case Event::kill:
    case Event::stop:
      break;
  }
  return "from the signal, ms";
}

void add_join(nlohmann::ordered_json& line, const MembershipOptions& options, const Tally& tally) {
  const auto of = [&](Duration Outcome::*time) { return times(samples(tally, Which::all, time)); };
  line["started_us"] = of(&Outcome::ended);
  line["view_us"] = of(&Outcome::view);
  line["pause_us"] = of(&Outcome::pause);
  line["normal_pause_us"] = of(&Outcome::normal_pause);
  line["slowest_us"] = of(&Outcome::slowest);
  line["normal_slowest_us"] = of(&Outcome::normal_slowest);
  line["bars"] = nlohmann::ordered_json::array();
  for (const Bar& bar : bars_of(options, tally))
    line["bars"].push_back({{"what", bar.what},
                            {"required", in_us(bar.required)},
                            {"measured", in_us(bar.measured)},
                            {"unit", "us"},
                            {"pass", bar.measured <= bar.required}});
}

}  // namespace

std::string name_of(const MembershipOptions& options) {
  return fmt::format("membership {} {} {}x{}", name_of(options.event), options.fabric,
                     options.members, options.warm ? " warm" : "");
}

std::string for_people(const MembershipOptions& options, const Tally& tally) {
  std::string text =
      fmt::format("{}, {} members, all sending, {}, {}\n  {}\n", tally.fabric, options.members,
                  membership_stack, in_words(options.event, options.warm), tally.timing.text());
  text += fmt::format("  {:<44}{:>5}{:>10}{:>10}{:>10}\n", since(options.event), "", "median",
                      "p99", "max");
  text +=
      options.event == Event::join ? lines_of_join(options, tally) : lines_of_end(options, tally);
  if (tally.failed > 0)
    text += fmt::format("  {} of {} events after which not all members went on\n", tally.failed,
                        tally.failed + tally.outcomes.size());
  return text;
}

std::string as_json(const MembershipOptions& options, const Tally& tally) {
  const auto figure = figure_of(options.event);
  const Samples all = samples(tally, Which::all, figure);
  nlohmann::ordered_json line;
  line["case"] = name_of(options);
  line["figure"] = "membership";
  line["event"] = name_of(options.event);
  line["fabric"] = tally.fabric;
  line["members"] = options.members;
  line["size_bytes"] = membership_message_bytes;
  line["senders"] = "all";
  line["stack"] = membership_stack;
  line["timeout_ms"] = options.timeout_ms;
  line["heartbeat_ms"] = in_ms(tally.timing.interval);
  line["without_majority_ms"] = in_ms(tally.timing.without_majority());
  line["count"] = tally.outcomes.size();
  line["failed"] = tally.failed;
  line["latency_us"] = times(all);
  line["coordinator_latency_us"] = times(samples(tally, Which::coordinator, figure));
  line["another_latency_us"] = times(samples(tally, Which::another, figure));
  if (options.event == Event::stop) line["beyond_timeout_us"] = times(all, options.timeout());
  line["resumed_us"] = times(samples(tally, Which::all, &Outcome::resumed));
  if (options.event == Event::leave)
    line["left_us"] = times(samples(tally, Which::all, &Outcome::ended));
  if (options.event == Event::join) add_join(line, options, tally);
  line["limits"] = nlohmann::ordered_json::array();
  line["ratio"] = nullptr;
  if (const auto floor = floor_of(options, tally)) {
    line["limits"].push_back(
        {{"what", floor->what}, {"value", in_us(floor->median)}, {"unit", "us"}});
    line["ratio"] =
        floor->median > Duration{0} ? in_us(all.percentile(0.5)) / in_us(floor->median) : 0;
  }
  return line.dump();
}

}  // namespace squall::bench
