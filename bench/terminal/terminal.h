#pragma once
// `squall create` and `squall join`: a member by hand.

#include "bench/terminal/settings.h"

namespace squall::terminal {

/// Prints the timeouts in effect, every view and every delivery, and sends each line of standard
/// input; leaves in good order at the end of the input or when interrupted. Gives the exit status:
/// 0, 1 for a member that could not start or was stopped, 2 for wrong arguments.
int run_by_hand(const Options& options);

}  // namespace squall::terminal
