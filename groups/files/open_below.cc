#include "groups/files/open_below.h"

#include <fcntl.h>

#include <algorithm>
#include <string>

namespace squall::files {

Below open_below(int root, std::string_view path, int flags) {
  FileDescriptor at;
  for (std::size_t start = 0;;) {
    const std::size_t end = std::min(path.find('/', start), path.size());
    const std::string_view component = path.substr(start, end - start);
    const bool last = end == path.size();
    const int how = last ? flags : O_RDONLY | O_DIRECTORY;
    FileDescriptor next(
        openat(at ? at.get() : root, std::string(component).c_str(), how | O_NOFOLLOW | O_CLOEXEC));
    if (!next) return {FileDescriptor(), component};
    if (last) return {std::move(next), {}};
    at = std::move(next);
    start = end + 1;
  }
}

}  // namespace squall::files
