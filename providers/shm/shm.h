#pragma once
// The shared-memory provider: peers on one host map each other's memory read-only, so a push is
// a store. Linux 5.11 or later. Any thread may call it; each Fabric it opens has its own rules
// (core/fabric/fabric.h).

#include <memory>

#include "core/fabric/provider.h"

namespace squall::shm {

std::unique_ptr<fabric::Provider> make_provider();

}  // namespace squall::shm
