#pragma once
// From the configured string to a fabric: "shm", "tcp", "verbs", "ofi:NAME" (any libfabric provider
// of reliable datagrams, by its libfabric name), several of them joined by plus signs (a mix: each
// pair of members takes the first that both have), or "auto". The one place that knows all
// providers.
//
// With "auto" a node opens what its host has, announces all of it at the rendezvous, and keeps what
// `choose` (preference.h) picks from everyone's introductions, which may be the mix of all:
//
//   auto open = open_candidates(options);                    // at least one
//   self.fabrics = announced(*open);
//   ... rendezvous ...
//   auto name = choose(introductions);
//   auto fabric = keep(std::move(*open), *name);             // that one; the others are closed
//
// Any thread. Opening and surveying ask libfabric, which probes devices: not on a hot path.

#include <memory>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/fabric/fabric.h"
#include "core/fabric/provider.h"
#include "core/fabric/rendezvous.h"

namespace squall::catalog {

/// Code::invalid for a name that selects no fabric, with the nearest one and the list; for "auto",
/// which is a choice among several, too. Code::unavailable if this host does not have it, or not
/// all of a mix.
Result<std::unique_ptr<fabric::Fabric>> open(const fabric::Options& options);

using Candidates = std::vector<std::unique_ptr<fabric::Fabric>>;

/// One fabric, or with "auto" all that this host has, best first; Code::unavailable with the reason
/// of each if there is none.
Result<Candidates> open_candidates(const fabric::Options& options);

/// What to tell others of them: each, and behind them the mix of all, called "auto", if they can be
/// one. It needs `host` (fabric::host_identity), as `keep` does.
std::vector<fabric::FabricAddress> announced(const Candidates& candidates, std::string_view host);

/// The one of that name, or for "auto" their mix. Code::unavailable if it is none of them.
Result<std::unique_ptr<fabric::Fabric>> keep(Candidates candidates, std::string_view name,
                                             std::string_view host);

/// What this host has and why the rest is missing, for `squall info`: shm, tcp, verbs, and what
/// libfabric has besides, as "ofi:NAME".
std::vector<fabric::Device> survey();

}  // namespace squall::catalog
