#pragma once
// From a configuration to a fabric and a view: opens the candidate fabrics, meets the other
// members through the rendezvous, and settles on the one fabric for the group. What Node::start
// does before there is anything to turn.

#include <memory>
#include <vector>

#include "core/base/error.h"
#include "core/base/time.h"
#include "core/base/view.h"
#include "core/engine/turn.h"
#include "core/fabric/fabric.h"
#include "core/fabric/rendezvous.h"
#include "groups/config.h"

namespace squall {

/// What a configuration means, once it is checked.
struct Plan {
  Rank self = 0;
  std::vector<engine::ChannelPlan> channels;  ///< in the configuration's order
  std::string text;                           ///< a line per fact that all members must share
};

/// Code::invalid with the key that is wrong.
Result<Plan> make_plan(const Config& config);

/// Everyone has met; nobody is connected yet.
struct Met {
  std::unique_ptr<fabric::Fabric> fabric;
  std::unique_ptr<fabric::Rendezvous> rendezvous;
  View view;
  std::vector<engine::Contact> contacts;
  bool crowded = false;  ///< more members than cores on this host
};

/// Blocks until everyone is introduced, somebody refuses, or `deadline`.
Result<Met> meet(const Config& config, const Plan& plan, Time deadline);

}  // namespace squall
