#pragma once
// The command's side of one event: starts a group, takes one member out of it or sends one to it,
// hears the others.

#include "bench/membership/event.h"
#include "core/base/error.h"
#include "core/membership/timing.h"

namespace squall::bench {

struct Round {
  std::string fabric;         ///< as chosen
  membership::Timing timing;  ///< as the members have it
  /// Or which survivor did not go on as it should, and why.
  Result<Outcome> outcome;
};

/// `wait` passes between the moment when the group flows and the signal, or the word to leave or to
/// join.
/// Fails when the group does not start, or when `interrupted()`. The victim does not outlive the
/// call.
Result<Round> run_round(const MembershipOptions& options, unsigned victim, Duration wait);

}  // namespace squall::bench
