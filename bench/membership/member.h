#pragma once
// One member of a group that is about to lose one, or to get one, or the one that comes: what a
// process started by `run_round` runs.

namespace squall::bench {

inline constexpr const char* membership_group = "bench";

/// Sends at a steady pace until it is told to stop. Says "ready" once it has delivered from
/// everyone, "view" for every view after the first and "resumed" when it has delivered from
/// everyone in that; told to leave, "leaving" before it does and "left" after; "failed" when its
/// node stops or delivers what is wrong. Where one joins, who was there says "lull" some time after
/// the view; who joins is "ready" at once, opens nothing until it is told to, and says "joined"
/// with its first delivery. Gives the exit status.
int stream_as_member();

}  // namespace squall::bench
