#pragma once
// `squall bench membership`.

#include "bench/membership/event.h"

namespace squall::bench {

/// Prints the figures; a survivor that did not go on as it should is told on standard error. Gives
/// the exit status: 1 also when there was such a survivor.
int measure_membership(const MembershipOptions& options);

}  // namespace squall::bench
