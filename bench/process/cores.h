#pragma once
// Which cores this process may run on, and staying on one. Also what every process that we start
// does first: die with its parent. Any thread.

#include <sys/types.h>

#include <vector>

#include "core/base/error.h"

namespace squall::bench {

/// The cores that the scheduler may give to this process (sched_getaffinity(2)), ascending.
std::vector<int> allowed_cores();

/// Keeps the calling thread on one core. Code::invalid, with the cores there are, if it is not
/// allowed to.
Result<> pin_to(int core);

/// In a new child: it is killed when its parent dies (PR_SET_PDEATHSIG in prctl(2)). False if
/// `parent` was gone already.
bool die_with(pid_t parent);

}  // namespace squall::bench
