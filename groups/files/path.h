#pragma once
// Which names files may have that come from others. Pure.

#include <cstddef>
#include <string_view>

#include "core/base/error.h"

namespace squall::files {

/// PATH_MAX of Linux, less what is in front of a relative path.
inline constexpr std::size_t max_path_bytes = 4095;

/// A path is relative, of components that are none of "", ".", "..", without NUL, within limits.
/// Code::refused otherwise.
Result<> check_path(std::string_view path);

}  // namespace squall::files
