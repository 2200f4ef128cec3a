#pragma once
// Runs one scenario and checks what happened against what its stack promises.

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "test/checker/checker.h"
#include "test/checker/linearizability.h"
#include "test/simulation/scenario.h"

namespace squall::scenarios {

/// Of `liveness`: from the end of the last fault it takes at most Scenario::patience, in virtual
/// time, until the view is the connected core and everything is delivered (or who has no majority
/// has stopped), whatever the scenario.
struct Outcome {
  std::vector<checker::Event> events;
  std::vector<checker::Operation> operations;  ///< of clients, where there are any (objects.h)
  std::vector<std::string> violations;  ///< of the checker and of liveness; empty: all is well
  std::uint64_t trace_hash = 0;         ///< of the network
  Duration took{0};                     ///< virtual
  std::size_t deliveries = 0;           ///< at all members

  /// For a failing test: the scenario, the violations, the trace.
  std::string report(const Scenario& scenario) const;
};

Outcome run(const Scenario& scenario);

}  // namespace squall::scenarios
