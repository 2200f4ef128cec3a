#pragma once
// Opening what lies below a folder without passing a symbolic link.

#include <string_view>

#include "groups/files/file_descriptor.h"

namespace squall::files {

struct Below {
  FileDescriptor fd;  ///< none: errno says why
  /// The component that could not be opened.
  std::string_view stopped_at = {};
};

/// `path` is relative and checked (`check_path` in path.h). `flags` are those of open(2) for its
/// last component, to which O_NOFOLLOW is added; the others are folders.
Below open_below(int root, std::string_view path, int flags);

}  // namespace squall::files
