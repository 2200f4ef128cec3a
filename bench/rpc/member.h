#pragma once
// One member of a group with a replicated object: what a process started by `run_calls` runs.

namespace squall::bench {

/// Gives the exit status.
int call_as_member();

}  // namespace squall::bench
