#pragma once
// A world whose time is the simulated network's: it moves only between turns, an event at a time.

#include <algorithm>
#include <memory>
#include <string_view>

#include "providers/sim/sim.h"
#include "test/conformance/world.h"

namespace squall::conformance {

class SimWorld final : public World {
 public:
  explicit SimWorld(const sim::Options& options = {}) : network(options) {}
  ~SimWorld() override { nodes_.clear(); }  // endpoints go before their network

  Time now() const override { return network.now(); }
  Result<std::unique_ptr<fabric::Fabric>> open(std::string_view name) override {
    return network.open(name);
  }

  sim::Network network;

 private:
  void pass(Duration) override {
    network.run_until(std::min(network.next_event(), network.now() + 100us));
  }
};

}  // namespace squall::conformance
