#pragma once
// Which raw limits stand beside a case, and what of the first one is reached.

#include <functional>
#include <vector>

#include "bench/limits/limits.h"
#include "bench/measure/case.h"
#include "core/base/error.h"

namespace squall::bench {

/// Measures the limits of a case, most telling first: for shm a raw ring or one way through shared
/// memory, else the bare libfabric endpoint or the raw TCP round trip; then others, and memcpy.
Result<std::vector<Limit>> limits_beside(const Case& asked, Duration each);

/// Limits measured before and after ours as one: the mean of each, so that a machine that gets
/// faster or slower meanwhile does so for both. (The better of two would be the luckier of two, and
/// ours is measured once.)
std::vector<Limit> between(const std::vector<Limit>& before, const std::vector<Limit>& after);

/// Ours by the limit, in the limit's unit: a share for rates, how many times for times.
double ratio_of(const Measured& ours, const Limit& limit);

/// Limits, ours, limits.
Result<Row> run_beside_limits(const Case& asked);

}  // namespace squall::bench
