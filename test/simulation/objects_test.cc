// Can the swarm of objects fail? Replicas and clients with a mistake must be found within a stated
// number of seeds, by the property that they break; and the same seeds must pass without it.
#include "test/simulation/objects.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "test/simulation/scenario.h"

namespace squall::scenarios {
namespace {

/// The first seed that shows `property` broken, or 0.
std::uint64_t found_at(Slip slip, std::string_view property, std::uint64_t most,
                       Scenario (*draw)(std::uint64_t) = draw_objects) {
  for (std::uint64_t seed = 1; seed <= most; ++seed) {
    const Scenario scenario = draw(seed);
    const Outcome wrong = run_objects(scenario, slip);
    for (const std::string& violation : wrong.violations) {
      if (!violation.starts_with(property)) continue;
      MESSAGE(fmt::format("found at seed {}: {}", seed, violation));
      const Outcome right = run_objects(scenario);
      CHECK_MESSAGE(right.violations.empty(), right.report(scenario));
      return seed;
    }
  }
  return 0;
}

TEST_CASE("linearizable reads answered from what is here: found within 10 seeds") {
  CHECK(found_at(Slip::reads_here, "linearizability", 10) != 0);
}

TEST_CASE("updates taken for done when they are sent: found within 10 seeds") {
  CHECK(found_at(Slip::early_answer, "linearizability", 10) != 0);
}

TEST_CASE("updates that every replica forgets: found within 5 seeds") {
  CHECK(found_at(Slip::lost_update, "linearizability", 5) != 0);
}

TEST_CASE("an update that one replica forgets: found within 5 seeds") {
  CHECK(found_at(Slip::one_forgets, "replica equality", 5) != 0);
}

TEST_CASE("a state for joiners that lacks something: found within 10 seeds") {
  CHECK(found_at(Slip::thin_state, "replica equality", 10) != 0);
}

TEST_CASE("clients that begin anew what they are not answered: found within 10 seeds") {
  CHECK(found_at(Slip::says_again, "effects", 10, draw_clients) != 0);
}

TEST_CASE("replicas and a state with a mistake: found where clients are no members, too") {
  CHECK(found_at(Slip::lost_update, "linearizability", 5, draw_clients) != 0);
  CHECK(found_at(Slip::one_forgets, "replica equality", 5, draw_clients) != 0);
  CHECK(found_at(Slip::thin_state, "replica equality", 10, draw_clients) != 0);
}

TEST_CASE("what is drawn: seeds with crashes, joins and partitions, and many operations") {
  std::size_t crashes = 0, joins = 0, partitions = 0;
  for (std::uint64_t seed = 1; seed <= 1000; ++seed) {
    const Scenario scenario = draw_objects(seed);
    const auto has = [&](Fault::Kind kind) {
      return std::ranges::count(scenario.faults, kind, &Fault::kind) != 0;
    };
    crashes += scenario.crashes();
    joins += has(Fault::Kind::join) || has(Fault::Kind::restart);
    partitions += has(Fault::Kind::partition);
    CHECK(scenario.options.members >= 3);
    CHECK(scenario.options.members <= 5);
  }
  CHECK(crashes > 400);
  CHECK(joins > 400);
  CHECK(partitions > 200);
  CHECK(run_objects(draw_objects(1)).operations.size() > 80);
}

}  // namespace
}  // namespace squall::scenarios
