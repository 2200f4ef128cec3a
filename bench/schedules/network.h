#pragma once
// A model of a network, on which members send the blocks of one object by their schedules: what a
// schedule takes when nothing but the wires counts. Discrete events in virtual time; blocks are
// numbers only. Pure and deterministic: equal arguments, equal results.
//
// Every member has one full-duplex NIC. What it sends leaves one block after the other at the
// link's bandwidth, and so does what arrives, first come, first served; between them lies latency
// and nothing else. No clock is shared, and no step waits for the last one to end everywhere: a
// member hands its next block to the NIC as soon as it has it, has handed over all that its
// schedule sends before, has fewer than `window` blocks outstanding, and its receiver is ready. A
// block is outstanding until its sender has heard, one latency later, that all of it is there.

#include <cstdint>

#include "core/base/time.h"
#include "core/multicast/bulk/schedule.h"

namespace squall::bench {

struct Network {
  double bytes_per_second = 12.5e9;  ///< of each direction of each NIC; above 0
  Duration latency{1500};            ///< one way, from NIC to NIC; at least 0
  unsigned window = 4;               ///< blocks of one sender outstanding; at least 1
  /// A receiver is ready for this many blocks, the next ones in the order of its schedule, and says
  /// so as they come; 0: for anything at any time. See the README for what that costs.
  unsigned ready = 2;
};

/// Travels in blocks of equal size, the last one shorter.
struct Object {
  std::uint64_t bytes = 256'000'000;      ///< at least 1
  std::uint64_t block_bytes = 1'048'576;  ///< at least 1
  /// No more than a `Block` can count.
  std::uint64_t blocks() const { return (bytes - 1) / block_bytes + 1; }
};

/// From the start until every member has all of it. `members` at least 1.
Duration replication_time(multicast::bulk::Kind kind, multicast::bulk::Place members,
                          const Object& object, const Network& network);

}  // namespace squall::bench
