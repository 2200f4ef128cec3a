#include "bench/replicate/walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "core/base/printable.h"
#include "groups/files/file_descriptor.h"
#include "groups/files/path.h"

namespace squall::replicate {

using files::FileDescriptor;

namespace {

tl::unexpected<Error> cannot_read(std::string_view path, int error) {
  return fail_errno(fmt::format("cannot read {}", printable(path)), error);
}

std::string joined(std::string_view directory, std::string_view name) {
  return directory.empty() ? std::string(name) : fmt::format("{}/{}", directory, name);
}

/// What is found, in the order of the walk. `directory` is an open descriptor of the folder that
/// holds `name`; `shown` is the path for people, `path` the relative one.
class Visitor {
 public:
  struct Entry {
    int directory;
    const std::string& name;
    const std::string& shown;
    const std::string& path;
  };
  virtual ~Visitor() = default;
  virtual Result<> directory_begin(const std::string& path) = 0;
  virtual Result<> directory_end(const std::string& path, std::uint32_t mode) = 0;
  virtual Result<> file(const Entry& entry) = 0;
  virtual Result<> link(const Entry& entry) = 0;

  Totals totals;
};

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

struct Found {
  std::string name;
  unsigned char type = DT_UNKNOWN;
};

Result<std::vector<Found>> list(DIR* directory, const std::string& shown) {
  std::vector<Found> found;
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(directory);
    if (entry == nullptr) break;
    const std::string_view name(entry->d_name);
    if (name == "." || name == "..") continue;
    found.push_back({std::string(name), entry->d_type});
  }
  if (errno != 0) return cannot_read(shown, errno);
  std::sort(found.begin(), found.end(),
            [](const Found& a, const Found& b) { return a.name < b.name; });
  return found;
}

Result<> visit(int parent, const std::string& name, unsigned char type, const std::string& shown,
               const std::string& path, Visitor& visitor);

/// `fd` is the folder itself. An empty `path` is the root, which has no records of its own.
Result<> visit_directory(FileDescriptor fd, const std::string& shown, const std::string& path,
                         Visitor& visitor) {
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) return cannot_read(shown, errno);
  const std::unique_ptr<DIR, CloseDirectory> directory(fdopendir(fd.get()));
  if (!directory) return cannot_read(shown, errno);
  fd.release();
  auto entries = list(directory.get(), shown);
  if (!entries) return tl::unexpected(entries.error());
  if (!path.empty()) {
    ++visitor.totals.directories;
    if (auto begun = visitor.directory_begin(path); !begun) return begun;
  }
  for (const Found& entry : *entries) {
    auto visited = visit(dirfd(directory.get()), entry.name, entry.type, joined(shown, entry.name),
                         joined(path, entry.name), visitor);
    if (!visited) return visited;
  }
  return path.empty() ? Result<>{} : visitor.directory_end(path, status.st_mode & 07777);
}

Result<> visit(int parent, const std::string& name, unsigned char type, const std::string& shown,
               const std::string& path, Visitor& visitor) {
  if (auto checked = files::check_path(path); !checked) return checked;
  if (type == DT_UNKNOWN) {
    struct stat status {};
    if (fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
      return cannot_read(shown, errno);
    type = static_cast<unsigned char>(IFTODT(status.st_mode));
  }
  switch (type) {
    case DT_DIR: {
      FileDescriptor fd(
          openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!fd) return cannot_read(shown, errno);
      return visit_directory(std::move(fd), shown, path, visitor);
    }
    case DT_REG:
      ++visitor.totals.files;
      return visitor.file({parent, name, shown, path});
    case DT_LNK:
      ++visitor.totals.links;
      return visitor.link({parent, name, shown, path});
    default:
      ++visitor.totals.skipped;
      return {};
  }
}

Result<> traverse(const std::vector<Source>& sources, Visitor& visitor) {
  for (const Source& source : sources) {
    // Named by the user, so a symbolic link to a folder is followed here, and only here.
    FileDescriptor fd(open(source.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd && errno != ENOTDIR && errno != ELOOP) return cannot_read(source.path, errno);
    auto visited = fd ? visit_directory(std::move(fd), source.path, source.as, visitor)
                      : visit(AT_FDCWD, source.path, DT_UNKNOWN, source.path, source.as, visitor);
    if (!visited) return visited;
  }
  return {};
}

class Scanner : public Visitor {
 public:
  Result<> directory_begin(const std::string&) override { return {}; }
  Result<> directory_end(const std::string&, std::uint32_t) override { return {}; }
  Result<> link(const Entry&) override { return {}; }
  Result<> file(const Entry& entry) override {
    struct stat status {};
    if (fstatat(entry.directory, entry.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0)
      return cannot_read(entry.shown, errno);
    totals.bytes += static_cast<std::uint64_t>(status.st_size);
    return {};
  }
};

class Sender : public Visitor {
 public:
  explicit Sender(RecordSink& sink) : sink_(sink) {}

  Result<> directory_begin(const std::string& path) override { return put(DirectoryBegin{path}); }
  Result<> directory_end(const std::string& path, std::uint32_t mode) override {
    return put(DirectoryEnd{path, mode});
  }

  Result<> link(const Entry& entry) override {
    std::array<char, max_path_bytes + 1> target;
    const ssize_t bytes =
        readlinkat(entry.directory, entry.name.c_str(), target.data(), target.size());
    if (bytes < 0) return cannot_read(entry.shown, errno);
    return put(SymbolicLink{entry.path, {target.data(), static_cast<std::size_t>(bytes)}});
  }

  Result<> file(const Entry& entry) override {
    // NONBLOCK: should a pipe have taken the file's place, opening it must not wait.
    FileDescriptor fd(openat(entry.directory, entry.name.c_str(),
                             O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd) return cannot_read(entry.shown, errno);
    auto file = files::PieceReader::open(std::move(fd), entry.shown, entry.path);
    if (!file) return tl::unexpected(file.error());
    totals.bytes += file->total();
    return sink_.send(std::move(*file));
  }

  Result<> put(const Record& record) {
    auto space = sink_.reserve(encoded_bytes(record));
    if (!space) return tl::unexpected(space.error());
    encode(record, *space);
    sink_.commit();
    return {};
  }

 private:
  RecordSink& sink_;
};

/// The last component of a path, also of "." and "a/..".
Result<std::string> last_component(const std::string& path) {
  std::string_view trimmed(path);
  while (trimmed.size() > 1 && trimmed.back() == '/') trimmed.remove_suffix(1);
  std::string_view last = trimmed.substr(trimmed.rfind('/') + 1);
  if (!last.empty() && last != "." && last != "..") return std::string(last);
  const std::unique_ptr<char, decltype(&std::free)> real(realpath(path.c_str(), nullptr),
                                                         &std::free);
  if (!real) return cannot_read(path, errno);
  const std::string_view whole(real.get());
  last = whole.substr(whole.rfind('/') + 1);
  return std::string(last.empty() ? "root" : last);
}

}  // namespace

Result<std::vector<Source>> plan_sources(const std::vector<std::string>& paths) {
  std::vector<Source> sources;
  for (const std::string& path : paths) {
    struct stat status {};
    if (lstat(path.c_str(), &status) != 0) {
      auto error = cannot_read(path, errno);
      error.value().code = Code::invalid;  // a wrong argument, not a failed run
      return error;
    }
    struct stat target {};
    const bool directory = stat(path.c_str(), &target) == 0 && S_ISDIR(target.st_mode);
    Source source{path, {}};
    if (!directory || paths.size() > 1) {
      auto name = last_component(path);
      if (!name) return tl::unexpected(name.error());
      source.as = std::move(*name);
    }
    for (const Source& other : sources)
      if (other.as == source.as)
        return fail(Code::invalid,
                    fmt::format("{} and {} would have the same name", printable(other.path),
                                printable(path)),
                    "replicate them one by one, or the folder that holds both");
    sources.push_back(std::move(source));
  }
  return sources;
}

Result<Totals> scan(const std::vector<Source>& sources) {
  Scanner scanner;
  if (auto done = traverse(sources, scanner); !done) return tl::unexpected(done.error());
  return scanner.totals;
}

Result<Totals> walk(const std::vector<Source>& sources, RecordSink& sink) {
  Sender sender(sink);
  if (auto done = traverse(sources, sender); !done) return tl::unexpected(done.error());
  if (auto ended = sender.put(End{sender.totals.files, sender.totals.bytes}); !ended)
    return tl::unexpected(ended.error());
  return sender.totals;
}

}  // namespace squall::replicate
