#include "test/simulation/scenario.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <string_view>
#include <utility>

#include "core/base/random.h"
#include "core/mirror/frame.h"

namespace squall::scenarios {
namespace {

constexpr std::array<std::string_view, 4> stacks{"total | stable", "total", "fifo",
                                                 "fifo | stable"};

Duration microseconds(std::uint64_t count) {
  return std::chrono::microseconds(static_cast<std::int64_t>(count));
}

void draw_network(Random& random, sim::Options& network) {
  network.seed = random.next();
  network.latency = microseconds(1 + random.below(50));
  if (random.one_in(2)) network.jitter = microseconds(random.below(200));
  // 10 Gb/s, 1 Gb/s, and slow enough that queues build up.
  constexpr std::uint64_t bandwidths[] = {1'250'000'000, 125'000'000, 12'500'000};
  network.bandwidth_bytes_per_s = bandwidths[random.below(std::size(bandwidths))];
  network.loss_detection = microseconds(random.below(1000));
}

void draw_load(Random& random, Scenario& scenario) {
  auto& options = scenario.options;
  options.members = static_cast<Rank>(2 + random.below(4));
  options.ring_bytes = std::size_t{4096} << (random.one_in(3) ? random.below(3) : 0);
  if (random.one_in(2)) {
    for (Rank rank = 0; rank < options.members; ++rank)
      if (random.one_in(2)) options.senders.push_back(rank);
    // Senders are an ordered list, not the ranks.
    if (random.one_in(2)) std::ranges::reverse(options.senders);
  }
  for (Rank rank = 0; rank < options.members; ++rank) {
    options.laziness.push_back(random.one_in(3) ? 2 + random.below(12) : 1);
    scenario.reluctance.push_back(random.one_in(3) ? 2 + random.below(30) : 1);
  }
  // All the same, or each its own number, none at all for some: their rounds then need promises.
  const std::size_t most_messages = 1 + random.below(40);
  const bool same = random.one_in(2);
  scenario.messages.assign(options.members, 0);
  for (const Rank rank : scenario.senders())
    scenario.messages[rank] = same ? most_messages : random.below(most_messages + 1);
  const std::size_t largest = mirror::max_message_bytes(options.ring_bytes);
  const std::size_t most[] = {0, 30, 400, largest};
  scenario.most_bytes = most[random.below(std::size(most))];
  scenario.waits_for_start = !random.one_in(3);
}

void draw_fault(Random& random, Scenario& scenario, std::initializer_list<Fault::Kind> kinds) {
  Fault& fault = scenario.fault;
  const Rank members = scenario.options.members;
  fault.kind = kinds.begin()[random.below(kinds.size())];
  fault.victim = static_cast<Rank>(random.below(members));
  fault.other = static_cast<Rank>((fault.victim + 1 + random.below(members - 1)) % members);
  fault.deliveries = random.below(scenario.all_messages() * members + 1);
  fault.lasts = microseconds(random.below(500));
  if (scenario.crashes()) scenario.waits_for_start = true;
}

Scenario draw_common(std::uint64_t seed, Random& random, std::string stack) {
  Scenario scenario;
  scenario.seed = seed;
  scenario.replay = fmt::format("--seed {}", seed);
  scenario.options.seed = random.next();
  scenario.total = stack.starts_with("total");
  scenario.stable = stack.ends_with("stable");
  scenario.options.stack = std::move(stack);
  draw_network(random, scenario.options.network);
  draw_load(random, scenario);
  return scenario;
}

constexpr std::string_view name(Fault::Kind kind) {
  constexpr std::string_view names[] = {"none", "crash", "cut, then crash", "cut", "delay", "slow"};
  return names[static_cast<std::size_t>(kind)];
}

}  // namespace

std::vector<Rank> Scenario::senders() const {
  if (!options.senders.empty()) return options.senders;
  std::vector<Rank> everyone(options.members);
  std::iota(everyone.begin(), everyone.end(), Rank{0});
  return everyone;
}

std::size_t Scenario::all_messages() const {
  return std::accumulate(messages.begin(), messages.end(), std::size_t{0});
}

std::string Scenario::text() const {
  std::string line = fmt::format(
      "seed {}: \"{}\", {} members, senders {}, rings of {}, {} messages of up to {} bytes, "
      "laziness {}, reluctance {}, latency {} ns, jitter {} ns, {} bytes/s",
      seed, options.stack, options.members, senders(), options.ring_bytes, messages, most_bytes,
      options.laziness, reluctance, options.network.latency.count(), options.network.jitter.count(),
      options.network.bandwidth_bytes_per_s);
  if (fault.kind != Fault::Kind::none)
    line += fmt::format("; {} of {} (towards {}) at delivery {}, for {} ns", name(fault.kind),
                        fault.victim, fault.other, fault.deliveries, fault.lasts.count());
  return line;
}

Scenario draw(std::uint64_t seed) {
  using Kind = Fault::Kind;
  Random random(seed);
  // Half of all seeds have the default stack.
  const auto stack = random.one_in(2) ? stacks[0] : stacks[random.below(stacks.size())];
  Scenario scenario = draw_common(seed, random, std::string(stack));
  if (random.one_in(2))
    draw_fault(random, scenario,
               {Kind::crash, Kind::cut_crash, Kind::cut, Kind::delay, Kind::slow});
  return scenario;
}

Scenario draw_crash(std::uint64_t seed, const std::string& stack) {
  Random random(seed);
  Scenario scenario = draw_common(seed, random, stack);
  scenario.replay += fmt::format(" --crash '{}'", stack);
  draw_fault(random, scenario, {Fault::Kind::crash, Fault::Kind::cut_crash});
  const auto senders = scenario.senders();
  scenario.fault.victim = senders[random.below(senders.size())];
  if (scenario.fault.other == scenario.fault.victim)
    scenario.fault.other = (scenario.fault.victim + 1) % scenario.options.members;
  return scenario;
}

Scenario draw_calm(std::uint64_t seed, const std::string& stack) {
  Random random(seed);
  Scenario scenario = draw_common(seed, random, stack);
  scenario.replay += fmt::format(" --calm '{}'", stack);
  return scenario;
}

}  // namespace squall::scenarios
