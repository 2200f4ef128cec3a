// Scenarios, for people.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "test/simulation/scenario.h"

namespace squall::scenarios {
namespace {

constexpr std::string_view name(Fault::Kind kind) {
  constexpr std::string_view names[] = {
      "crash",     "leave", "crash at ballot", "cut, then crash", "cut",  "partition",
      "delay",     "slow",  "stall",           "clock",           "join", "restart",
      "clock back"};
  return names[static_cast<std::size_t>(kind)];
}

}  // namespace

std::string Fault::text() const {
  constexpr std::string_view whens[] = {"at", "after", "at delivery"};
  std::string line = fmt::format("{} of {} ", name(kind), victim);
  if (kind == Kind::cut || kind == Kind::cut_crash || kind == Kind::delay)
    line += fmt::format("towards {} ", other);
  if (kind == Kind::partition) line = fmt::format("partition {:b} ", side);
  if (kind == Kind::crash_ballots)
    line += fmt::format("{}", count);
  else if (when == When::deliveries)
    line += fmt::format("at delivery {}", count);
  else
    line += fmt::format("{} {} us", whens[static_cast<std::size_t>(when)], at / 1us);
  if (kind != Kind::crash && kind != Kind::crash_ballots && kind != Kind::clock &&
      kind != Kind::leave && kind != Kind::join && kind != Kind::restart)
    line += fmt::format(", for {} us", lasts / 1us);
  if (lag != Duration{0}) line += fmt::format(" by {} us", lag / 1us);
  return line;
}

std::string Scenario::text() const {
  std::vector<std::int64_t> spans, upcalls;
  for (const Duration upcall : options.upcalls) upcalls.push_back(upcall.count());
  for (const Duration gap : gaps) spans.push_back(gap.count());
  std::string line = fmt::format(
      "seed {}: \"{}\", {} members, senders {}, rings of {}, {} messages of up to {} bytes, "
      "laziness {}, crowded {}, upcalls {} ns, gaps {} ns, latency {} ns, jitter {} ns, {} bytes/s",
      seed, options.stack, options.members, senders(), options.ring_bytes, messages, most_bytes,
      options.laziness, options.crowded, upcalls, spans, options.network.latency.count(),
      options.network.jitter.count(), options.network.bandwidth_bytes_per_s);
  if (visitors != 0) line += fmt::format(", {} clients that are no members", visitors);
  for (const Fault& fault : faults) line += "; " + fault.text();
  return line;
}

}  // namespace squall::scenarios
