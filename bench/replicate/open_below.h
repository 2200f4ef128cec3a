#pragma once
// Opening what lies below a folder without passing a symbolic link.

#include <string_view>

#include "bench/replicate/file_descriptor.h"

namespace squall::replicate {

struct Below {
  FileDescriptor fd;  ///< none: errno says why
  /// The component that could not be opened.
  std::string_view stopped_at = {};
};

/// `path` is relative and checked (`check_path`). `flags` are those of open(2) for its last
/// component, to which O_NOFOLLOW is added; the others are folders.
Below open_below(int root, std::string_view path, int flags);

}  // namespace squall::replicate
