#pragma once
// `squall replicate`: starts the members on this host, or is one member of several hosts.

#include "bench/replicate/settings.h"

namespace squall::replicate {

/// Prints what people need; gives the exit status: 0, 1 for a failed run or where fewer members
/// than were asked for hold everything, 2 for wrong arguments.
int replicate(const Options& options);

/// What a member that `replicate` started runs.
int replicate_as_member();

}  // namespace squall::replicate
