#pragma once
// Which fabric a group uses, from what its members said of themselves. Pure: every member has the
// same introductions, so every member chooses the same without another word.

#include <span>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/fabric/rendezvous.h"

namespace squall::catalog {

/// The fabrics that serve all `members` (in rank order, this node included), best first: shm if all
/// are on one host; their mix, called "auto", where some pair has better than what is left to all,
/// or has two networks to fall back on; verbs, tcp, then any other in the first member's order.
std::vector<std::string> preference(std::span<const fabric::Introduction> members);

/// The first of them. Code::unavailable, saying what each member has, if there is none.
Result<std::string> choose(std::span<const fabric::Introduction> members);

}  // namespace squall::catalog
