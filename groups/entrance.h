#pragma once
// How a node gets into a group that it does not start together with others: it creates one, or asks
// its contacts until one lets it in.

#include <memory>
#include <vector>

#include "core/base/error.h"
#include "core/base/time.h"
#include "core/fabric/fabric.h"
#include "core/fabric/rendezvous.h"
#include "groups/meeting_point.h"
#include "groups/plan.h"
#include "providers/catalog/catalog.h"

namespace squall {

/// The fabrics that this node offers.
using Fabrics = catalog::Candidates;

/// A group of this node alone. Of several fabrics it takes the mix: each who joins shares with each
/// member whatever the two have.
Result<Met> create_group(const fabric::Introduction& self, Fabrics fabrics,
                         std::unique_ptr<fabric::Rendezvous> rendezvous);

/// Blocks until a contact says that this node is admitted, or refuses it for good, or `deadline`.
/// With Start::automatic it may create the group instead.
Result<Met> join_group(const Config& config, const Plan& plan, fabric::Introduction self,
                       Fabrics fabrics, std::unique_ptr<fabric::Rendezvous> rendezvous,
                       Time deadline);

}  // namespace squall
