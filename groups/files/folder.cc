#include "groups/files/folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "core/base/printable.h"
#include "groups/files/open_below.h"

namespace squall::files {
namespace {

constexpr int open_directory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

}  // namespace

Result<Folder> Folder::open(int parent, const std::string& name, std::string shown) {
  FileDescriptor fd(openat(parent, name.c_str(), open_directory));
  // It must be writable, and better to hear of it now than at the first file.
  if (!fd || faccessat(fd.get(), ".", W_OK | X_OK, AT_EACCESS) != 0)
    return fail_errno(fmt::format("cannot use the output directory {}", printable(shown)), errno,
                      "choose another");
  return Folder(std::move(fd), std::move(shown));
}

tl::unexpected<Error> Folder::cannot(std::string_view verb, std::string_view path,
                                     int error) const {
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  return fail_errno(fmt::format("cannot {} {}/{}", verb, shown_, printable(path)), error,
                    full ? "make room, or choose another output directory" : "");
}

/// Every folder on the way to the last component of this path.
Result<> Folder::make(std::string_view path) {
  FileDescriptor at;
  for (std::size_t start = 0; start < path.size();) {
    const std::size_t end = std::min(path.find('/', start), path.size());
    const std::string name(path.substr(start, end - start));
    const int in = at ? at.get() : fd_.get();
    if (mkdirat(in, name.c_str(), 0777) != 0 && errno != EEXIST)
      return cannot("create the folder", path.substr(0, end), errno);
    FileDescriptor next(openat(in, name.c_str(), open_directory));
    if (!next) return {};  // whoever opens it says why
    at = std::move(next);
    start = end + 1;
  }
  return {};
}

Result<Folder::Place> Folder::place_of(std::string_view path, bool make_folders) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return Place{fd_.get(), std::string(path)};
  const std::string_view parent = path.substr(0, slash);
  if (!parent_ || parent != parent_path_) {
    // Component by component, so that no symbolic link is passed.
    Below opened = open_below(fd_.get(), parent, open_directory);
    if (!opened.fd && errno == ENOENT && make_folders) {
      if (auto made = make(parent); !made) return tl::unexpected(made.error());
      opened = open_below(fd_.get(), parent, open_directory);
    }
    if (!opened.fd && (errno == ELOOP || errno == ENOTDIR))
      return fail(Code::refused,
                  fmt::format("refused the path {}/{}: {} is no folder of its own", shown_,
                              printable(path), printable(opened.stopped_at)),
                  "remove it from the output directory");
    if (!opened.fd) return cannot("open the folder of", path, errno);
    parent_ = std::move(opened.fd);
    parent_path_ = parent;
  }
  return Place{parent_.get(), std::string(path.substr(slash + 1))};
}

}  // namespace squall::files
