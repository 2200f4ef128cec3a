#pragma once
// The libfabric providers: connections over tcp and verbs, and any provider of reliable
// datagrams by its libfabric name. README.md says what each does and why.

#include <memory>
#include <string>

#include "core/fabric/provider.h"

namespace squall::ofi {

/// "tcp"
std::unique_ptr<fabric::Provider> make_tcp();
/// "verbs"
std::unique_ptr<fabric::Provider> make_verbs();
/// "ofi:NAME", with NAME as `fi_info` spells it: "shm", "tcp;ofi_rxm", "efa".
std::unique_ptr<fabric::Provider> make_named(std::string libfabric_name);

}  // namespace squall::ofi
