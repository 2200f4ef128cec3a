#pragma once
// What each schedule costs on a given network, and which of them is the quickest: what `auto` takes
// when no schedule is configured. A model: pure arithmetic on what one link is like, for a network
// whose NICs send and receive at once, and whose members wait for nothing but the blocks that they
// pass on. It does not know about other traffic.
//
// It agrees within 10 % with runs of the schedules themselves, for 2 to 64 members (bench/schedules
// runs and tests it), if ten latencies are no longer than a block takes on the wire and receivers
// are ready for the next two blocks in the order of their schedule. Objects of more than one block
// and less than two may be a quarter quicker than a pipeline is said to be, and very short blocks
// cost more than this says.

#include <cstdint>

#include "core/base/time.h"
#include "core/fabric/fabric.h"
#include "core/multicast/bulk/schedule.h"

namespace squall::multicast::bulk {

/// Of one link, from one member to another.
struct Cost {
  Duration latency{0};          ///< one way, of a block's first byte; at least 0
  double bytes_per_second = 0;  ///< of one block after the other; above 0
  /// How many transfers can go on at once at that rate, among all members; 0: as many as they like.
  /// Members on one host share its cores and its memory, so that there the bytes moved count and
  /// not the steps.
  unsigned at_once = 0;
};

/// What to begin with where nobody has measured: verbs, 100 Gb/s and 1.5 us; what needs the
/// target's CPU, libfabric's tcp as measured over loopback, 2 GB/s and 6 us; mapped memory, one
/// memcpy at a time, 9 GB/s, since two do not get more out of one memory bus.
Cost default_cost(const fabric::Capabilities& capabilities);

/// The same link where all members are on one host with so many cores: a transfer keeps two of them
/// busy, the sender's and the receiver's, and one does both if there are no two.
Cost on_one_host(Cost cost, unsigned cores);

/// From the start until every member has all of an object. `members` and `block_bytes` at least 1;
/// no bytes are one empty block, and more blocks than a `Block` can count are no error here.
Duration estimate(Kind kind, Place members, std::uint64_t bytes, std::uint64_t block_bytes,
                  const Cost& cost);

/// The quickest; or the first in the order of `Kind` that is within a hundredth of it, which is
/// simpler. On one host a tree for short objects, where it is as quick.
Kind choose(Place members, std::uint64_t bytes, std::uint64_t block_bytes, const Cost& cost);

}  // namespace squall::multicast::bulk
