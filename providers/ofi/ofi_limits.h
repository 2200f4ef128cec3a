#pragma once
// What the transports have in common.

#include <array>
#include <cstddef>

#include "core/base/time.h"
#include "core/fabric/fabric.h"

namespace squall::ofi {

constexpr std::array<fabric::Lane, 2> lanes{fabric::Lane::urgent, fabric::Lane::bulk};

/// From the first word to a peer until both have said theirs.
constexpr Duration connect_timeout = 10s;
/// How long a closed endpoint is kept for what libfabric still says of it.
constexpr Duration burial = 1s;
/// Of one look at a completion queue.
constexpr std::size_t most_completions = 32;
/// Peers that have called and that nobody here has asked for yet.
constexpr std::size_t most_held = 64;

}  // namespace squall::ofi
