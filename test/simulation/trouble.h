#pragma once
// Lets what a scenario says go wrong happen to a cluster, as events of its network: never inside a
// turn.

#include <algorithm>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "core/base/time.h"
#include "groups/simulation/cluster.h"
#include "test/simulation/scenario.h"

namespace squall::scenarios {

class Trouble {
 public:
  /// What the run does itself, as it has to know of it.
  struct Host {
    /// The node is there: its process ends, if it has not.
    std::function<void(Rank)> crash;
    /// The node is there: it begins to leave, if it is a member.
    std::function<void(Rank)> leave;
  };

  /// All of them outlive it.
  Trouble(const std::vector<Fault>& faults, simulation::Cluster& cluster, Host host)
      : faults_(faults), cluster_(cluster), host_(std::move(host)) {}

  /// Those that have a time of their own will come then.
  void begin();
  /// So many deliveries have happened now: call it for every number.
  void count(std::size_t deliveries);

  /// Some have a time and have not ended.
  bool pending() const { return pending_ != 0; }
  /// When the last of those that were begun, or are sure to be, ends; or something else like it.
  Time last() const { return last_; }
  void note(Time fault) { last_ = std::max(last_, fault); }

 private:
  void begin_at(Time time, std::size_t index);
  void begin(std::size_t index);
  void end(std::size_t index);
  void crash(Rank victim);
  void delay(const Fault& fault, Duration lag);

  const std::vector<Fault>& faults_;
  simulation::Cluster& cluster_;
  Host host_;
  std::size_t pending_ = 0;
  Time last_{};
};

}  // namespace squall::scenarios
