#pragma once
// What a configuration can name as [fabric] provider on this host. `squall info` prints it.

#include <vector>

#include "core/fabric/device.h"

namespace squall {

using FabricOnHost = fabric::Device;

/// shm, tcp, verbs, and what libfabric has besides, as "ofi:NAME": what is here, and why the rest
/// is not. Any thread; libfabric probes devices, so not on a hot path.
std::vector<FabricOnHost> fabrics_on_host();

}  // namespace squall
