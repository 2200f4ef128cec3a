#pragma once
// One member of a group that is sent large objects: what a process started by `run_objects` runs.

namespace squall::bench {

inline constexpr const char* objects_group = "objects";
inline constexpr const char* beside_group = "beside";

/// Gives the exit status.
int take_objects_as_member();

}  // namespace squall::bench
