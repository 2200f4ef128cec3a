#pragma once
// What every process that we start does first.

#include <sys/types.h>

namespace squall::bench {

/// In a new child: it is killed when its parent dies (PR_SET_PDEATHSIG in prctl(2)). False if
/// `parent` was gone already. Safe between fork and exec.
bool die_with(pid_t parent);

}  // namespace squall::bench
