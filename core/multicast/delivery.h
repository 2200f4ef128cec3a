#pragma once
// What an upcall gets: one message, in its place.

#include <cstdint>
#include <functional>

#include "core/base/bytes.h"
#include "core/base/ids.h"

namespace squall::multicast {

/// One delivered message; `bytes` lie in the ring and are valid during the upcall only.
struct Delivery {
  Rank sender = 0;
  MessageNumber number = 0;  ///< the sender's own count, from 0
  /// This member's count of deliveries in this group; with an ordering stack the same everywhere.
  std::uint64_t position = 0;
  Bytes bytes;
};

using DeliverFunction = std::function<void(const Delivery&)>;

}  // namespace squall::multicast
