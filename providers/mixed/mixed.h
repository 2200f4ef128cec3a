#pragma once
// Several fabrics as one: two nodes connect over every one that both have, the best of those
// carries the pair, and when it fails the next one does, without a word to whoever is above. One
// thread at a time uses it, except for `wake`, as with any Fabric.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/fabric/fabric.h"

namespace squall::mixed {

using Children = std::vector<std::unique_ptr<fabric::Fabric>>;

/// A Fabric called `name` over `children`, the preferred one first. Those that map memory serve
/// pairs whose `host` is equal (fabric::host_identity, or anything that says as much).
/// Code::invalid if there are none or two of a name, if all of them map memory (large objects
/// travel by another), or if their addresses do not fit into one.
Result<std::unique_ptr<fabric::Fabric>> make(std::string name, std::string_view host,
                                             Children children);

/// The address that `make` would give to these, to announce it before it is decided whether they
/// will be one. Empty if it would be too long.
std::string address_of(std::string_view host, const Children& children);

}  // namespace squall::mixed
