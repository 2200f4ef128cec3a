#pragma once
// `squall bench rpc`: what calls of a replicated object cost, beside what they are made of:
// messages of the same stack, and raw round trips.

namespace squall::bench {

struct RpcOptions {
  double seconds = 1;         ///< of each case, all its runs together
  unsigned runs = 5;          ///< of each case, at least 1
  unsigned timeout_ms = 200;  ///< of silence, until an idle member is suspected
};

/// Prints the table of bars; gives the exit status: 0 when everything ran, also when a bar was
/// missed.
int measure_rpc(const RpcOptions& options);

}  // namespace squall::bench
