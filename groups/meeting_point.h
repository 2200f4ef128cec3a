#pragma once
// From a configuration to a fabric and a view: opens the candidate fabrics, finds the other members
// through the rendezvous, and settles on the one fabric for the group. What Node::start does before
// there is anything to turn.

#include <memory>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/time.h"
#include "core/base/view.h"
#include "core/engine/turn.h"
#include "core/fabric/fabric.h"
#include "core/fabric/rendezvous.h"
#include "groups/config.h"
#include "groups/plan.h"

namespace squall {

/// The first view is known; nobody is connected yet.
struct Met {
  std::unique_ptr<fabric::Fabric> fabric;
  std::unique_ptr<fabric::Rendezvous> rendezvous;
  View view;
  Rank self = 0;
  std::vector<engine::Contact> contacts;  ///< by rank
  std::string host;                       ///< this one's identity
  bool joined = false;                    ///< the view is of a group that is running
};

/// Blocks until everyone is introduced, or this node has created or joined a group, as configured;
/// somebody refuses; or `deadline`.
Result<Met> meet(const Config& config, const Plan& plan, Time deadline);

}  // namespace squall
