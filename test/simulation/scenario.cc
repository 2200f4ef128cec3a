#include "test/simulation/scenario.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <span>
#include <string_view>
#include <utility>

#include "core/base/random.h"
#include "core/membership/timing.h"
#include "core/mirror/frame.h"

namespace squall::scenarios {
namespace {

constexpr std::uint64_t leaving_seed = 0x1eaf;
constexpr std::uint64_t joining_seed = 0x901;
constexpr std::uint64_t upcalls_seed = 0x510;
constexpr std::uint64_t detour_seed = 0xde70;
constexpr std::uint64_t large_seed = 0xb16;

constexpr std::array<std::string_view, 4> stacks{"total | stable", "total", "fifo",
                                                 "fifo | stable"};
// Later ones, in scenarios of their own, so that the others are as they were.
constexpr std::array<std::string_view, 10> more_stacks{
    "causal | stable",
    "causal",
    "causal | checked | stable",
    "total | checked | stable",
    "fifo | checked | compress(lz4)",
    "total | stable | compress(lz4)",
    "total | stable | batch(1 KiB, 50 us)",
    "causal | stable | batch(200 B, 2 ms)",
    "causal | compress(lz4) | batch(4 KiB, 1 ms)",
    "causal | checked | stable | compress(lz4) | batch(1 KiB, 100 us)"};

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
  network.connect_timeout = 500ms;
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
  }
  // All the same, or each its own number, none at all for some: their rounds then need promises.
  const std::size_t most_messages = 1 + random.below(40);
  const bool same = random.one_in(2);
  scenario.messages.assign(options.members, 0);
  for (const Rank rank : scenario.senders())
    scenario.messages[rank] = same ? most_messages : random.below(most_messages + 1);
  // As fast as it goes, or spread over up to half a second, so that faults meet some.
  constexpr std::uint64_t spreads_us[] = {0, 1'000, 100'000, 500'000};
  const std::uint64_t spread = spreads_us[random.below(std::size(spreads_us))];
  for (Rank rank = 0; rank < options.members; ++rank)
    scenario.gaps.push_back(microseconds(random.below(spread / most_messages + 1)));
  const std::size_t largest = mirror::max_message_bytes(options.ring_bytes);
  const std::size_t most[] = {0, 30, 400, largest};
  scenario.most_bytes = most[random.below(std::size(most))];
  scenario.waits_for_start = !random.one_in(3);
}

/// Each clock began at a time of its own, up to a month ago, and is off by up to 200 ppm; and of
/// three members about one shares its cores.
void draw_hosts(std::uint64_t seed, simulation::Options& options) {
  Random random(~seed), hosts(~seed + 1);
  constexpr std::uint64_t month_s = 30 * 86'400, most_ppm = 200;
  constexpr Rank most_joiners = 4;  // they have clocks, too
  for (Rank rank = 0; rank < options.members + most_joiners; ++rank) {
    const auto ahead = std::chrono::seconds(random.below(month_s));
    const auto drift = static_cast<std::int64_t>(random.below(2 * most_ppm + 1));
    options.clocks.emplace_back(ahead, drift - static_cast<std::int64_t>(most_ppm));
    options.crowded.push_back(hosts.one_in(3));
  }
}

/// Slow applications, in some scenarios: from a generator of its own, so all else is as it was.
void draw_upcalls(std::uint64_t seed, simulation::Options& options) {
  Random random(seed ^ upcalls_seed);
  if (!random.one_in(4)) return;
  for (Rank rank = 0; rank < options.members; ++rank)
    options.upcalls.push_back(microseconds(random.one_in(2) ? random.below(3000) : 0));
}

Duration draw_span(Random& random) {
  // Next to nothing, within what is tolerated, around the timeout, and well beyond it.
  constexpr std::uint64_t most_us[] = {500, 100'000, 300'000, 1'000'000};
  return microseconds(random.below(most_us[random.below(std::size(most_us))]));
}

void draw_victim(Random& random, Fault& fault, Rank members) {
  fault.victim = static_cast<Rank>(random.below(members));
  fault.other = static_cast<Rank>((fault.victim + 1 + random.below(members - 1)) % members);
}

Fault draw_fault(Random& random, const Scenario& scenario, std::span<const Fault::Kind> kinds) {
  using When = Fault::When;
  Fault fault;
  const Rank members = scenario.options.members;
  fault.kind = kinds[random.below(kinds.size())];
  draw_victim(random, fault, members);
  fault.side = static_cast<std::uint32_t>(1 + random.below((1U << members) - 2));
  fault.lasts = draw_span(random);
  fault.lag = fault.kind == Fault::Kind::slow ? draw_span(random) / 10 : draw_span(random);
  const bool first = scenario.faults.empty();
  const std::uint64_t roll = random.below(first ? 6 : 12);
  if (fault.kind == Fault::Kind::crash_ballots) {
    fault.count = 1 + random.below(12);
  } else if (roll < 3) {
    fault.when = When::deliveries;
    fault.count = random.below(scenario.all_messages() * members + 1);
  } else if (roll == 3) {
    fault.at = microseconds(random.below(500));  // while the first view forms
  } else if (roll < 6) {
    fault.at = microseconds(random.below(500'000));
  } else {
    // Into the middle of what the one before has set off.
    fault.when = When::after;
    constexpr std::uint64_t most_us[] = {300, 3'000, 30'000, 300'000};
    fault.at = microseconds(random.below(most_us[random.below(std::size(most_us))]));
  }
  return fault;
}

/// Up to four; in one of four scenarios more than a minority may die.
void draw_faults(Random& random, Scenario& scenario) {
  using Kind = Fault::Kind;
  constexpr Kind kinds[] = {Kind::crash, Kind::crash,     Kind::crash_ballots, Kind::cut_crash,
                            Kind::cut,   Kind::partition, Kind::delay,         Kind::slow,
                            Kind::stall, Kind::stall};
  const std::size_t most_crashes = random.one_in(4) ? 5 : (scenario.options.members - 1) / 2;
  std::size_t crashes = 0;
  for (std::size_t left = 1 + random.below(4); left > 0; --left) {
    const Fault fault = draw_fault(random, scenario, kinds);
    if (fault.crashes() && ++crashes > most_crashes) continue;
    scenario.faults.push_back(fault);
  }
}

void set_stack(Scenario& scenario, std::string stack) {
  const auto has = [&](std::string_view module) { return stack.find(module) != stack.npos; };
  scenario.total = has("total");
  scenario.causal = has("total") || has("causal");
  scenario.stable = has("stable");
  scenario.options.stack = std::move(stack);
}

Scenario draw_common(std::uint64_t seed, Random& random, std::string stack) {
  Scenario scenario;
  scenario.seed = seed;
  scenario.replay = fmt::format("--seed {}", seed);
  scenario.options.seed = random.next();
  set_stack(scenario, std::move(stack));
  scenario.options.member.patience = 2 * membership::fast.timeout;
  draw_network(random, scenario.options.network);
  draw_load(random, scenario);
  draw_hosts(seed, scenario.options);
  draw_upcalls(seed, scenario.options);
  return scenario;
}

/// Up to three nodes that join or run again, at a set time or after another fault, in some of all
/// scenarios: from a generator of its own, so that all else is as it was.
void draw_joins(Random& random, Scenario& scenario, Duration length) {
  constexpr std::size_t paddings[] = {0, 0, 20'000, 200'000, 1'000'000};
  scenario.padding = paddings[random.below(std::size(paddings))];
  for (std::size_t left = 1 + random.below(3); left > 0; --left) {
    Fault fault;
    fault.kind = random.one_in(3) ? Fault::Kind::restart : Fault::Kind::join;
    fault.victim = static_cast<Rank>(random.below(scenario.options.members));
    fault.at = microseconds(random.below(static_cast<std::uint64_t>(length / 1us)));
    if (random.one_in(2)) {
      // Right after another one, which keeps the place of what may follow on it.
      constexpr std::uint64_t most_us[] = {300, 3'000, 30'000, 300'000};
      fault.at = microseconds(random.below(most_us[random.below(std::size(most_us))]));
      if (!scenario.faults.empty()) fault.when = Fault::When::after;
    }
    scenario.faults.push_back(fault);
  }
}

}  // namespace

bool Scenario::crashes() const {
  return std::ranges::any_of(faults, [](const Fault& fault) { return fault.crashes(); });
}

std::vector<Rank> Scenario::senders() const {
  if (!options.senders.empty()) return options.senders;
  std::vector<Rank> everyone(options.members);
  std::iota(everyone.begin(), everyone.end(), Rank{0});
  return everyone;
}

std::size_t Scenario::all_messages() const {
  return std::accumulate(messages.begin(), messages.end(), std::size_t{0});
}

Duration Scenario::patience() const {
  Duration slowest{0};
  for (const Duration upcall : options.upcalls) slowest = std::max(slowest, upcall);
  return 3 * options.member.timing.timeout + slowest * static_cast<Duration::rep>(all_messages());
}

namespace {

/// What leaves from one member to one other takes longer, most of the time for as long as anyone
/// sends: a third one's answer gets there first.
void slow_one_link(Random& random, Scenario& scenario) {
  Fault fault;
  fault.kind = Fault::Kind::delay;
  draw_victim(random, fault, scenario.options.members);
  fault.lasts = random.one_in(3) ? draw_span(random) : 600ms;
  fault.lag = microseconds(500 + random.below(20'000));
  scenario.faults.insert(scenario.faults.begin(), fault);
}

Scenario draw_any(std::uint64_t seed, Random& random, std::string_view stack) {
  Scenario scenario = draw_common(seed, random, std::string(stack));
  if (!random.one_in(4)) draw_faults(random, scenario);
  if (Random mind(seed ^ joining_seed); scenario.stable && mind.one_in(3))
    draw_joins(mind, scenario, 500ms);
  return scenario;
}

}  // namespace

Scenario draw(std::uint64_t seed) {
  Random random(seed);
  // Half of all seeds have the default stack.
  const auto stack = random.one_in(2) ? stacks[0] : stacks[random.below(stacks.size())];
  return draw_any(seed, random, stack);
}

Scenario draw_stacks(std::uint64_t seed) {
  Random random(seed);
  Scenario scenario = draw_any(seed, random, more_stacks[random.below(more_stacks.size())]);
  if (Random mind(seed ^ detour_seed); mind.one_in(2)) slow_one_link(mind, scenario);
  scenario.replay += " --stacks";
  return scenario;
}

Scenario draw_large(std::uint64_t seed) {
  using Kind = multicast::bulk::Kind;
  Random random(seed), mind(seed ^ large_seed);
  const auto stack = mind.one_in(2) ? stacks[0] : more_stacks[mind.below(more_stacks.size())];
  Scenario scenario = draw_any(seed, random, stack);
  scenario.replay += " --large";
  auto& options = scenario.options;
  if (!mind.one_in(4)) options.bulk.schedule = static_cast<Kind>(mind.below(4));
  options.bulk.block_bytes = std::uint32_t{1024} << mind.below(3);
  options.bulk.window_bytes = options.bulk.block_bytes << mind.below(3);
  scenario.most_bytes = mirror::max_message_bytes(options.ring_bytes) +
                        (1 + mind.below(40)) * options.bulk.block_bytes;
  options.large_memory = scenario.most_bytes * (1 + mind.below(3));
  return scenario;
}

Scenario draw_crash(std::uint64_t seed, const std::string& stack) {
  Random random(seed);
  Scenario scenario = draw_common(seed, random, stack);
  scenario.replay += fmt::format(" --crash '{}'", stack);
  constexpr Fault::Kind kinds[] = {Fault::Kind::crash, Fault::Kind::cut_crash};
  Fault fault = draw_fault(random, scenario, kinds);
  fault.when = Fault::When::deliveries;
  fault.count = random.below(scenario.all_messages() * scenario.options.members + 1);
  fault.lasts = microseconds(random.below(500));
  const auto senders = scenario.senders();
  fault.victim = senders[random.below(senders.size())];
  if (fault.other == fault.victim) fault.other = (fault.victim + 1) % scenario.options.members;
  scenario.faults = {fault};
  scenario.waits_for_start = true;
  return scenario;
}

Scenario draw_change(std::uint64_t seed) {
  using Kind = Fault::Kind;
  Random random(seed);
  Scenario scenario = draw_common(seed, random, std::string(stacks[0]));
  scenario.replay += " --change";
  const Rank members = scenario.options.members;
  if (random.one_in(2)) scenario.options.network.jitter = microseconds(random.below(20'000));
  // Something that begins a change; then trouble on its way, for the first ranks most of all.
  constexpr Kind beginnings[] = {Kind::crash, Kind::stall, Kind::cut, Kind::delay};
  scenario.faults.push_back(draw_fault(random, scenario, beginnings));
  // From a generator of its own, so that the other seeds are as they were.
  if (Random mind(seed ^ leaving_seed); mind.one_in(4)) {
    scenario.faults[0].kind = Kind::leave;
    return scenario;
  }
  if (random.one_in(3)) {
    // The first rank falls silent with its proposal on the way, which arrives about when the others
    // have given it up.
    auto& network = scenario.options.network;
    network.jitter = microseconds(random.below(20'000));
    scenario.faults[0].kind = Kind::crash;
    if (scenario.faults[0].victim == 0) scenario.faults[0].victim = members - 1;
    Fault late;
    late.kind = Kind::delay;
    late.when = Fault::When::after;
    const auto trip = static_cast<std::uint64_t>((network.latency + network.jitter) / 1us);
    late.at = network.loss_detection + microseconds(random.below(4 * trip + 1));
    late.lasts = microseconds(random.below(100'000));
    late.lag = 170ms + microseconds(random.below(80'000));
    scenario.faults.push_back(late);
    return scenario;
  }
  constexpr Kind troubles[] = {Kind::crash_ballots, Kind::crash_ballots, Kind::stall,
                               Kind::cut,           Kind::delay,         Kind::partition};
  for (std::size_t left = 1 + random.below(3); left > 0; --left) {
    Fault fault = draw_fault(random, scenario, troubles);
    if (random.one_in(2))
      fault.victim = static_cast<Rank>(random.below(std::min(members, Rank{2})));
    if (fault.victim == fault.other) fault.other = (fault.victim + 1) % members;
    fault.count = 1 + random.below(4 * members);
    if (fault.when == Fault::When::deliveries) {
      fault.when = Fault::When::after;
      fault.at = microseconds(random.below(250'000));
    }
    scenario.faults.push_back(fault);
  }
  return scenario;
}

Scenario draw_join(std::uint64_t seed) {
  using Kind = Fault::Kind;
  Random random(seed);
  Scenario scenario = draw_common(seed, random, std::string(stacks[0]));
  scenario.replay += " --join";
  draw_joins(random, scenario, 300ms);
  // Trouble for members and joiners alike, most of all for the first rank: in the change, in the
  // transfer, or after it.
  constexpr Kind troubles[] = {Kind::crash,         Kind::crash, Kind::crash_ballots,
                               Kind::crash_ballots, Kind::leave, Kind::stall,
                               Kind::cut,           Kind::delay, Kind::partition};
  const Rank members = scenario.options.members;
  for (std::size_t left = random.below(4); left > 0; --left) {
    Fault fault = draw_fault(random, scenario, troubles);
    if (random.one_in(3)) fault.victim = 0;
    if (random.one_in(4)) fault.victim = members + static_cast<Rank>(random.below(2));
    if (fault.victim == fault.other) fault.other = (fault.victim + 1) % members;
    fault.count = 1 + random.below(3 * members);
    fault.when = Fault::When::after;
    constexpr std::uint64_t most_us[] = {1'000, 3'000, 30'000, 300'000};
    fault.at = microseconds(random.below(most_us[random.below(std::size(most_us))]));
    scenario.faults.push_back(fault);
  }
  return scenario;
}

Scenario draw_objects(std::uint64_t seed) {
  using Kind = Fault::Kind;
  Random random(seed);
  Scenario scenario = draw_common(seed, random, std::string(stacks[0]));
  scenario.replay += " --objects";
  auto& options = scenario.options;
  options.senders.clear();
  for (const Rank members = static_cast<Rank>(3 + random.below(3)); options.members < members;) {
    options.laziness.push_back(1);
    if (!options.upcalls.empty()) options.upcalls.emplace_back(0);
    ++options.members;
  }
  constexpr std::uint64_t spreads_us[] = {0, 20'000, 200'000, 500'000};
  const std::uint64_t spread = spreads_us[random.below(std::size(spreads_us))];
  const std::size_t most_calls = 10 + random.below(70);
  scenario.messages.clear();
  scenario.gaps.clear();
  for (Rank rank = 0; rank < options.members; ++rank) {
    scenario.messages.push_back(1 + random.below(most_calls));
    scenario.gaps.push_back(microseconds(random.below(spread / most_calls + 1)));
  }
  constexpr Kind kinds[] = {Kind::crash,     Kind::crash_ballots, Kind::cut_crash, Kind::cut,
                            Kind::partition, Kind::partition,     Kind::delay,     Kind::slow,
                            Kind::stall,     Kind::stall,         Kind::leave,     Kind::clock};
  const std::size_t most_crashes = random.one_in(4) ? 5 : (options.members - 1) / 2;
  std::size_t crashes = 0;
  for (std::size_t left = random.below(5); left > 0; --left) {
    Fault fault = draw_fault(random, scenario, kinds);
    // Perhaps somebody who joins.
    if (random.one_in(6)) fault.victim = options.members;
    if ((fault.crashes() || fault.kind == Kind::leave) && ++crashes > most_crashes) continue;
    scenario.faults.push_back(fault);
  }
  if (random.one_in(2)) draw_joins(random, scenario, 500ms);
  return scenario;
}

Scenario draw_long(std::uint64_t seed) {
  using Kind = Fault::Kind;
  using When = Fault::When;
  constexpr Kind begins[] = {Kind::crash, Kind::leave,     Kind::crash_ballots,
                             Kind::cut,   Kind::partition, Kind::delay,
                             Kind::slow,  Kind::stall,     Kind::clock_back};
  constexpr Kind follows[] = {Kind::crash, Kind::leave,     Kind::crash_ballots,
                              Kind::cut,   Kind::partition, Kind::delay,
                              Kind::slow,  Kind::stall,     Kind::clock};
  constexpr Kind passes[] = {Kind::cut,  Kind::partition, Kind::delay, Kind::slow,
                             Kind::slow, Kind::stall,     Kind::stall, Kind::clock};
  Random random(seed);
  Scenario scenario;
  scenario.seed = seed;
  scenario.replay = fmt::format("--long --seed {}", seed);
  auto& options = scenario.options;
  options.seed = random.next();
  options.members = 5;
  set_stack(scenario,
            std::string(random.one_in(4) ? stacks[random.below(stacks.size())] : stacks[0]));
  // A heartbeat costs the same, however long a timeout is: so most have the long one.
  options.member.timing = random.one_in(16) ? membership::fast : membership::safe;
  const Duration timeout = options.member.timing.timeout;
  options.member.patience = 2 * timeout;
  options.ring_bytes = 4096;
  draw_network(random, options.network);
  draw_hosts(seed, options);
  draw_upcalls(seed, options);
  const Duration length = 60s;
  for (Rank rank = 0; rank < options.members; ++rank) {
    options.laziness.push_back(random.one_in(4) ? 2 + random.below(12) : 1);
    scenario.messages.push_back(random.below(60));
    scenario.gaps.push_back(microseconds(random.below(1'000'000)));
  }
  scenario.most_bytes = random.one_in(4) ? 400 : 30;
  const auto part = [&](Duration most) {
    return Duration(
        static_cast<Duration::rep>(random.below(static_cast<std::uint64_t>(most.count()))));
  };
  std::size_t crashes = 0;
  const auto add = [&](std::span<const Kind> kinds, When when, Duration at, Duration most) {
    Fault fault;
    fault.kind = kinds[random.below(kinds.size())];
    if ((fault.crashes() || fault.kind == Kind::leave) && ++crashes > 2) return;
    fault.when = when;
    fault.at = at;
    draw_victim(random, fault, options.members);
    if (fault.kind == Kind::delay && random.one_in(2)) fault.other = fault.victim;
    fault.side = static_cast<std::uint32_t>(1 + random.below((1U << options.members) - 2));
    fault.lasts = part(most);
    if (fault.kind == Kind::crash_ballots) fault.count = 1 + random.below(12);
    if (fault.kind == Kind::delay) fault.lag = part(most);
    if (fault.kind == Kind::slow) fault.lag = part(most) / 4;
    if (fault.kind == Kind::clock) fault.lag = part(random.one_in(2) ? most : 3600s);
    if (fault.kind == Kind::clock_back) fault.lag = fault.lasts;
    scenario.faults.push_back(fault);
  };
  // Faults with a set time first: an `after` follows on the one before it in the list.
  for (std::size_t left = 8 + random.below(12); left > 0; --left)
    add(passes, When::time, part(length), timeout * 9 / 20);
  for (std::size_t left = 1 + random.below(3); left > 0; --left) {
    add(begins, When::time, part(length), 3 * timeout);
    for (std::size_t more = random.below(3); more > 0 && !scenario.faults.empty(); --more) {
      constexpr std::uint64_t most_us[] = {300, 3'000, 30'000, 300'000, 3'000'000};
      // One after the other: compilers evaluate arguments in orders of their own.
      const Duration most = random.one_in(2) ? timeout : 2 * timeout;
      const Duration at = part(microseconds(most_us[random.below(std::size(most_us))]));
      add(follows, When::after, at, most);
    }
  }
  if (Random mind(seed ^ joining_seed); scenario.stable && mind.one_in(2))
    draw_joins(mind, scenario, length);
  return scenario;
}

Scenario draw_calm(std::uint64_t seed, const std::string& stack) {
  Random random(seed);
  Scenario scenario = draw_common(seed, random, stack);
  scenario.replay += fmt::format(" --calm '{}'", stack);
  return scenario;
}

Scenario draw_detour(std::uint64_t seed, const std::string& stack) {
  Scenario scenario = draw_calm(seed, stack);
  scenario.replay = fmt::format("--seed {} --detour '{}'", seed, stack);
  Random random(seed ^ detour_seed);
  slow_one_link(random, scenario);
  return scenario;
}

}  // namespace squall::scenarios
