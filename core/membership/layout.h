#pragma once
// Which members of a view a group is on. Pure functions of the view and of who was there before, so
// that whoever coordinates the change to a view can say it for all; what it says is agreed on with
// the view, and nobody else computes it.

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/base/view.h"

namespace squall::membership {

/// By shard, the ranks of its members in their order. A group without shards has one.
using Shards = std::vector<std::vector<Rank>>;

/// `before`: who of `view` was in which shard, in their order; of a shard that was nowhere, nobody.
/// The error says what is missing; then the shards that had somebody keep those, and the others
/// have nobody.
using Layout = std::function<Result<Shards>(const View& view, const Shards& before)>;

/// Every member.
Layout everyone();

/// Those of these names that are in the view, in this order; at least one of them.
Layout named(std::vector<std::string> names);

/// So many shards of so many members each, nobody in two of them. It begins when there are enough
/// members for all. Afterwards nobody is moved: who is lost is replaced, in the poorest shard
/// first, by members that are in no shard, as long as there are any; a shard lives on with whoever
/// is left of it. A shard of which nobody is left begins anew, empty, when somebody is free.
Layout sharded(std::size_t shards, std::size_t replicas);

/// Seats of a group in the view after `before`, which is nullptr for the first one. `first`: its
/// first channel; one for each shard. Fills `next.seating[first...]`, which must be there. A layout
/// that gives ranks which the view does not have, or one in two shards, counts as one that fails.
/// What is missing, if anything is.
Result<> seat(const Layout& layout, std::size_t first, std::size_t shards, const View* before,
              View& next);

}  // namespace squall::membership
