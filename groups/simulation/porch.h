#pragma once
// The rendezvous of a simulated group, as far as joining needs it: visits between nodes whose words
// take a while, and that end with either process. The faults of the network do not touch them, as
// if they went another way; a visit to a process that is gone fails at once.

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/fabric/rendezvous.h"
#include "core/membership/admission.h"
#include "core/membership/joining.h"
#include "providers/sim/sim.h"

namespace squall::simulation {

/// One process at the porch: a node, in one run of it.
struct Caller {
  Rank node = 0;
  std::uint64_t run = 0;
  bool operator==(const Caller&) const = default;
};

class Porch {
 public:
  /// Who is there now: nullptr if that run is over, or is (not) a member (yet).
  struct House {
    std::function<membership::Admission*(Caller)> admission;
    std::function<membership::Joining*(Caller)> joining;
    std::function<Caller(Rank)> present;  ///< the run of a node that is there now
    std::function<Time(Rank)> clock;      ///< of that node
    std::function<void(Rank)> wake;       ///< something has come for it
    std::function<fabric::Introduction(Caller)> introduction;
  };

  Porch(sim::Network& network, House house, Duration latency)
      : network_(network), house_(std::move(house)), latency_(latency) {}

  /// Carries out what they want.
  void act(Caller guest, membership::Joining& joining);
  void act(membership::Admission& admission);
  /// That run is over: its visits, either way, end a moment later.
  void gone(Caller who);

 private:
  struct Visit {
    Caller guest, host;
  };

  void arrive(fabric::LineId line);
  void end(fabric::LineId line, Caller told, Error why);
  template <class Action>
  void later(Action action) {
    network_.at(network_.now() + latency_, std::move(action));
  }

  sim::Network& network_;
  House house_;
  Duration latency_;
  std::map<fabric::LineId, Visit> visits_;
  fabric::LineId next_line_ = 1;
};

}  // namespace squall::simulation
