#pragma once
// What this host is made of, as far as defaults and pinning need it: cores, caches, NUMA nodes,
// and which cores are near a device. The one user of hwloc (open-mpi.org/projects/hwloc).
//
// Discovery takes some tens of milliseconds, once per process, with the first question that needs
// it: not on the message path, and not before a fork whose child asks too. Any thread.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"

namespace squall::fabric {

/// A logical processor as the operating system numbers it.
using Core = unsigned;

/// The processors that the calling thread may run on, in increasing order: affinity (taskset,
/// cpusets, earlier pinning) is respected, and asked anew each time. Never empty. No discovery.
std::vector<Core> usable_cores();
/// How many the host has, whatever this thread may use; at least 1.
std::size_t online_cores();

/// Bytes of the largest cache that the usable cores share, or that the only one has; 0: unknown.
std::size_t shared_cache_bytes();

/// At least 1.
std::size_t numa_nodes();

/// The usable cores of the same NUMA node or package as a device: a network interface ("eth0"), an
/// RDMA device ("mlx5_0") or a PCI address ("0000:3b:00.0"). Empty: no such device, or the host
/// does not say where it is. All usable cores, if it is equally near to all of them.
std::vector<Core> cores_near(std::string_view device);

/// Binds the calling thread to one core. Code::invalid if it may not run there.
Result<> pin_this_thread(Core core);

/// Equal for processes that can share memory and reach each other's loopback: boot id, network
/// namespace and user. For Introduction::host. No discovery.
std::string host_identity();

}  // namespace squall::fabric
