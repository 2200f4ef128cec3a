// Many seeds, or one again. As a test it runs a range of them:
//   bazel run //test/simulation:swarm -- --first 1 --count 100000
//   bazel run //test/simulation:swarm -- --seed 4711 --trace

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <ratio>
#include <string>

#include "core/membership/bug.h"
#include "test/checker/trace.h"
#include "test/simulation/objects.h"
#include "test/simulation/run.h"
#include "test/simulation/scenario.h"

namespace squall::scenarios {
namespace {

struct Arguments {
  std::uint64_t seed = 0;
  std::string crash, calm, detour;  // stacks
  std::uint64_t first = 1;
  std::uint64_t count = 1000;
  std::uint64_t stop_after = 5;
  bool stacks = false;
  bool change = false;
  bool joins = false;
  bool objects = false;
  bool clients = false;
  bool large = false;
  bool lengthy = false;
  bool trace = false;
  unsigned bug = 0;
};

/// Every so many seeds one is run twice.
constexpr std::uint64_t repeated = 8;
/// Who waits for many sees every so many how far it is.
constexpr std::uint64_t told_every = 5000;

Scenario draw_right(const Arguments& arguments, std::uint64_t seed) {
  if (!arguments.crash.empty()) return draw_crash(seed, arguments.crash);
  if (arguments.stacks) return draw_stacks(seed);
  if (arguments.change) return draw_change(seed);
  if (arguments.joins) return draw_join(seed);
  if (arguments.clients) return draw_clients(seed);
  if (arguments.objects) return draw_objects(seed);
  if (arguments.large) return draw_large(seed);
  if (arguments.lengthy) return draw_long(seed);
  if (!arguments.calm.empty()) return draw_calm(seed, arguments.calm);
  if (!arguments.detour.empty()) return draw_detour(seed, arguments.detour);
  return draw(seed);
}

Scenario draw_as(const Arguments& arguments, std::uint64_t seed) {
  Scenario scenario = draw_right(arguments, seed);
  scenario.options.member.bug = static_cast<membership::Bug>(arguments.bug);
  if (arguments.bug != 0) scenario.replay += fmt::format(" --bug {}", arguments.bug);
  return scenario;
}

Outcome run_as(const Arguments& arguments, const Scenario& scenario) {
  return arguments.objects || arguments.clients ? run_objects(scenario) : run(scenario);
}

int run_one(const Arguments& arguments) {
  const Scenario scenario = draw_as(arguments, arguments.seed);
  const Outcome outcome = run_as(arguments, scenario);
  fmt::print("{}\n{} deliveries, {} us, trace {:016x}\n", scenario.text(), outcome.deliveries,
             outcome.took / 1us, outcome.trace_hash);
  if (arguments.trace) {
    fmt::print("{}", checker::to_text(outcome.events));
    for (const auto& operation : outcome.operations) fmt::print("{}\n", operation.text());
  }
  if (!outcome.violations.empty()) fmt::print("{}", outcome.report(scenario));
  return outcome.violations.empty() ? 0 : 1;
}

int run_many(const Arguments& arguments) {
  std::uint64_t failed = 0, deliveries = 0, crashes = 0, faults = 0;
  Duration longest{0}, virtual_time{0};
  const auto begin = std::chrono::steady_clock::now();
  std::uint64_t longest_seed = 0, seed = arguments.first;
  for (; seed < arguments.first + arguments.count && failed < arguments.stop_after; ++seed) {
    const Scenario scenario = draw_as(arguments, seed);
    const Outcome outcome = run_as(arguments, scenario);
    deliveries += outcome.deliveries;
    virtual_time += outcome.took;
    crashes += scenario.crashes();
    faults += !scenario.faults.empty();
    if (outcome.took > longest) {
      longest = outcome.took;
      longest_seed = seed;
    }
    bool bad = !outcome.violations.empty();
    if (bad) fmt::print("{}\n", outcome.report(scenario));
    if (seed % repeated == 0) {
      const Outcome again = run_as(arguments, scenario);
      virtual_time += again.took;
      if (again.trace_hash != outcome.trace_hash || again.events != outcome.events ||
          again.operations != outcome.operations) {
        bad = true;
        fmt::print("{}\n  determinism: two runs of this seed differ\n", scenario.text());
      }
    }
    failed += bad;
    if (seed % told_every == 0) {
      fmt::print("at seed {}: {} failed, {} virtual hours\n", seed, failed, virtual_time / 1h);
      std::fflush(stdout);
    }
  }
  fmt::print(
      "{} seeds from {}: {} failed; {} deliveries, {} with a fault, {} of them a crash; the "
      "longest took {} us (seed {})\n",
      seed - arguments.first, arguments.first, failed, deliveries, faults, crashes, longest / 1us,
      longest_seed);
  using Hours = std::chrono::duration<double, std::ratio<3600>>;
  using Minutes = std::chrono::duration<double, std::ratio<60>>;
  const Minutes real = std::chrono::steady_clock::now() - begin;
  fmt::print("{:.2f} virtual hours per real minute\n", Hours(virtual_time) / 1h / real.count());
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace squall::scenarios

int main(int argc, char** argv) {
  squall::scenarios::Arguments arguments;
  CLI::App app("Whole groups in simulation, many seeds or one");
  app.add_option("--seed", arguments.seed, "run this seed only, and tell about it");
  app.add_option("--crash", arguments.crash, "a sender of this stack crashes, in every seed");
  app.add_option("--calm", arguments.calm, "nothing goes wrong with this stack");
  app.add_option("--detour", arguments.detour, "one link is slow, with this stack");
  app.add_flag("--stacks", arguments.stacks, "causal order, other modules, in every seed");
  app.add_flag("--change", arguments.change, "faults in the middle of view changes, in every seed");
  app.add_flag("--join", arguments.joins, "nodes join and run again, in every seed");
  app.add_flag("--objects", arguments.objects, "clients call an object, in every seed");
  app.add_flag("--clients", arguments.clients, "and clients that are no members call it, too");
  app.add_flag("--large", arguments.large, "large objects, in every seed");
  app.add_flag("--long", arguments.lengthy, "five members, 60 s of faults");
  app.add_option("--bug", arguments.bug, "a deliberate mistake, by its number in membership::Bug");
  app.add_flag("--trace", arguments.trace, "with --seed: print what happened");
  app.add_option("--first", arguments.first, "the first of many seeds");
  app.add_option("--count", arguments.count, "how many seeds");
  app.add_option("--stop-after", arguments.stop_after, "so many seeds that fail are enough");
  CLI11_PARSE(app, argc, argv);
  return app.count("--seed") != 0 ? squall::scenarios::run_one(arguments)
                                  : squall::scenarios::run_many(arguments);
}
