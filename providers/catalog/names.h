#pragma once
// The strings that choose a fabric, and what to say to one that chooses none. Pure.

#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"

namespace squall::catalog {

inline constexpr std::string_view automatic = "auto";
inline constexpr std::string_view libfabric_prefix = "ofi:";

/// Between the parts of a mix.
inline constexpr char mixes = '+';

/// Fine if `name` is one of auto, shm, tcp, verbs, ofi:NAME, or several of these but auto joined by
/// plus signs, the preferred one first; otherwise Code::invalid with the nearest of them and the
/// list. Whether this host has it is another question.
Result<> check_name(std::string_view name);
/// The parts of a mix, in their order; one that is none is its only part.
std::vector<std::string> parts_of(std::string_view name);

}  // namespace squall::catalog
