#pragma once
// What every process that a crew starts does first and last.

#include <functional>

#include "bench/launch/link.h"
#include "core/base/error.h"

namespace squall::bench {

/// Opens the link, and runs on the core that the task names, if it names one. What `play` fails
/// with is told to the command. Gives the exit status: 2 if no crew has started this process.
int play_member(const std::function<Result<>(Link&)>& play);

}  // namespace squall::bench
