#pragma once
// How long bytes of an object take from one process to another over a fabric, as an object's blocks
// travel: pushed behind each other into memory that is ready for them. No group.

#include <string>
#include <vector>

#include "bench/cost/fit.h"
#include "core/base/error.h"
#include "core/base/time.h"
#include "core/multicast/bulk/cost.h"

namespace squall::bench {

struct OneWay {
  std::vector<Trip> trips;      ///< the quickest of many; the first is of a counter alone
  bool maps = false;            ///< the receiver reads in place, and copied the bytes out
  multicast::bulk::Cost usual;  ///< what `auto` begins with on that fabric
};

/// Forks two processes of this host, and takes about `duration`. Each trip is a round trip whose
/// way back is a counter, less half of a round trip of counters. Call it from a process with one
/// thread that has not opened libfabric. Errors are those of LinkEnd.
Result<OneWay> measure_one_way(const std::string& fabric, Duration duration);

}  // namespace squall::bench
