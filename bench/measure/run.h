#pragma once
// The command's side of one case: starts the members, gives them one window, gathers.

#include <optional>
#include <vector>

#include "bench/measure/case.h"
#include "core/base/error.h"

namespace squall::bench {

/// Measures `asked` with members in processes of their own. Fails with the first member's error.
Result<Measured> run_case(const Case& asked);

/// The core of member `index`, or nullopt to leave it to the scheduler: `pin` if given, one each
/// when there are enough, else one of them in turn if asked for.
std::optional<unsigned> core_for(const Case& asked, unsigned index,
                                 const std::vector<unsigned>& cores);

}  // namespace squall::bench
