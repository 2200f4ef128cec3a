#pragma once
// From the configured string to a fabric: "shm", "tcp", "verbs", "ofi:NAME" (any libfabric provider
// of reliable datagrams, by its libfabric name), or "auto". The one place that knows all providers.
//
// With "auto" a node opens what its host has, announces all of it at the rendezvous, and keeps what
// `choose` (preference.h) picks from everyone's introductions:
//
//   auto open = open_candidates(options);                    // at least one
//   for (auto& fabric : *open) self.fabrics.push_back({std::string(fabric->name()),
//                                                      fabric->address()});
//   ... rendezvous ...
//   auto name = choose(introductions);                       // keep that one, drop the others
//
// Any thread. Opening and surveying ask libfabric, which probes devices: not on a hot path.

#include <memory>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/fabric/fabric.h"
#include "core/fabric/provider.h"

namespace squall::catalog {

/// Code::invalid for a name that selects no fabric, with the nearest one and the list; for "auto",
/// which is a choice among several, too. Code::unavailable if this host does not have it.
Result<std::unique_ptr<fabric::Fabric>> open(const fabric::Options& options);

/// One fabric, or with "auto" all that this host has, best first; Code::unavailable with the reason
/// of each if there is none.
Result<std::vector<std::unique_ptr<fabric::Fabric>>> open_candidates(
    const fabric::Options& options);

/// What this host has and why the rest is missing, for `squall info`: shm, tcp, verbs, and what
/// libfabric has besides, as "ofi:NAME".
std::vector<fabric::Device> survey();

}  // namespace squall::catalog
