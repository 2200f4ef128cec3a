#pragma once
// The strings that choose a fabric, and what to say to one that chooses none. Pure.

#include <string>
#include <string_view>

#include "core/base/error.h"

namespace squall::catalog {

inline constexpr std::string_view automatic = "auto";
inline constexpr std::string_view libfabric_prefix = "ofi:";

/// Fine if `name` is one of auto, shm, tcp, verbs, ofi:NAME; otherwise Code::invalid with the
/// nearest of them and the list. Whether this host has it is another question.
Result<> check_name(std::string_view name);

}  // namespace squall::catalog
