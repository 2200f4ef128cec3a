#pragma once
// Where a view ends: what every survivor can deliver, since every survivor holds it.

#include <map>

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/membership/bug.h"
#include "core/membership/change.h"

namespace squall::membership {

/// For each channel and sender the least count that any survivor in that channel froze, so
/// `survivors` is not empty. Code::invalid if they do not speak of the same channels and senders:
/// the counts come from peers.
Result<Rounds> trim_of(const std::map<Rank, Frozen>& survivors, Bug bug = Bug::none);

}  // namespace squall::membership
