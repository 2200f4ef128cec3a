#pragma once
// One member under load: what a process started by `run_case` runs.

namespace squall::bench {

inline constexpr const char* bench_group = "bench";

/// Gives the exit status.
int measure_as_member();

}  // namespace squall::bench
