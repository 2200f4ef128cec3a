#pragma once
// The walk by rounds, then by senders, that orders of delivery share.

#include "core/multicast/stage.h"

namespace squall::modules {

/// As multicast::Order::walk. The first run is never empty.
std::size_t walk_by_rounds(multicast::ConstFrontier heads, multicast::ConstFrontier to,
                           std::span<multicast::Run> runs);

}  // namespace squall::modules
