#include "bench/replicate/store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "bench/replicate/open_below.h"

namespace squall::replicate {
namespace {

// No set-user-id on files: whoever sends must not choose whose rights a program gets here.
constexpr std::uint32_t file_mode_mask = 0777;
constexpr std::uint32_t directory_mode_mask = 03777;

constexpr int open_directory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

tl::unexpected<Error> out_of_turn(std::string_view what) {
  return fail(Code::refused, fmt::format("a record out of turn: {}", what),
              "the sender is broken, or another version");
}

Result<> make_directories(const std::string& path) {
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (mkdir(part.c_str(), 0777) != 0 && errno != EEXIST)
      return fail_errno(fmt::format("cannot make the output directory {}", printable(part)), errno,
                        "choose another --out");
    if (end == std::string::npos) return {};
  }
}

}  // namespace

Result<Store> Store::open(const std::string& out, const std::string& member) {
  if (auto checked = check_path(member); !checked) return tl::unexpected(checked.error());
  if (auto made = make_directories(out); !made) return tl::unexpected(made.error());
  const std::string shown = fmt::format("{}/{}", out, member);
  const auto unusable = [&](int error) {
    return fail_errno(fmt::format("cannot use the output directory {}", printable(shown)), error,
                      "choose another --out");
  };
  FileDescriptor parent(::open(out.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent) return unusable(errno);
  if (mkdirat(parent.get(), member.c_str(), 0777) != 0 && errno != EEXIST) return unusable(errno);
  FileDescriptor root(openat(parent.get(), member.c_str(), open_directory));
  if (!root) return unusable(errno);
  // Both must be writable, and better to hear of it now than at the first file.
  if (faccessat(parent.get(), ".", W_OK | X_OK, AT_EACCESS) != 0 ||
      faccessat(root.get(), ".", W_OK | X_OK, AT_EACCESS) != 0)
    return unusable(errno);
  // Left behind by a run that was killed.
  const std::string temporary = fmt::format(".{}.partial", member);
  unlinkat(parent.get(), temporary.c_str(), 0);
  return Store(shown, temporary, std::move(parent), std::move(root));
}

Store::Store(std::string shown_root, std::string temporary, FileDescriptor out, FileDescriptor root)
    : shown_root_(std::move(shown_root)),
      temporary_(std::move(temporary)),
      out_(std::move(out)),
      root_(std::move(root)) {}

Store::~Store() {
  if (out_ && file_) unlinkat(out_.get(), temporary_.c_str(), 0);
}

Result<Store::Reading> Store::reading() const {
  Reading reading{FileDescriptor(fcntl(root_.get(), F_DUPFD_CLOEXEC, 0)), {}, 0};
  if (reading.root && file_) {
    reading.partial = FileDescriptor(fcntl(file_->fd.get(), F_DUPFD_CLOEXEC, 0));
    reading.partial_bytes = file_->size - file_->left;
  }
  if (!reading.root || (file_ && !reading.partial))
    return fail_errno("cannot read what was written", errno);
  return reading;
}

tl::unexpected<Error> Store::cannot(std::string_view verb, std::string_view path, int error) const {
  const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
  return fail_errno(fmt::format("cannot {} {}/{}", verb, shown_root_, printable(path)), error,
                    full ? "make room, or choose another --out" : "");
}

Result<> Store::apply(const Record& record) {
  if (ended_) return out_of_turn("it comes after the end");
  return std::visit([this](const auto& kind) { return on(kind); }, record);
}

/// Opens the folder that holds `path`, component by component, so that no symbolic link is passed.
Result<Store::Place> Store::place_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return Place{root_.get(), std::string(path)};
  const std::string_view parent = path.substr(0, slash);
  if (!parent_ || parent != parent_path_) {
    Below opened = open_below(root_.get(), parent, open_directory);
    if (!opened.fd && (errno == ELOOP || errno == ENOTDIR))
      return fail(Code::refused,
                  fmt::format("refused the path {}/{}: {} is no folder of its own", shown_root_,
                              printable(path), printable(opened.stopped_at)),
                  "remove it from the output directory");
    if (!opened.fd) return cannot("open the folder of", path, errno);
    parent_ = std::move(opened.fd);
    parent_path_ = parent;
  }
  return Place{parent_.get(), std::string(path.substr(slash + 1))};
}

/// The temporary becomes `path`, replacing what was there (also a symbolic link, itself).
Result<> Store::take_name(std::string_view path) {
  auto place = place_of(path);
  if (!place) return tl::unexpected(place.error());
  if (renameat(out_.get(), temporary_.c_str(), place->directory, place->name.c_str()) != 0)
    return cannot("create", path, errno);
  return {};
}

Result<> Store::on(const DirectoryBegin& record) {
  if (file_) return out_of_turn("a folder inside a file");
  auto place = place_of(record.path);
  if (!place) return tl::unexpected(place.error());
  if (mkdirat(place->directory, place->name.c_str(), 0700) == 0) return {};
  if (errno != EEXIST) return cannot("create the folder", record.path, errno);
  // From an earlier run, perhaps already with a mode that forbids writing.
  const FileDescriptor directory(openat(place->directory, place->name.c_str(), open_directory));
  struct stat status {};
  if (!directory || fstat(directory.get(), &status) != 0)
    return cannot("use as a folder", record.path, errno);
  if (fchmod(directory.get(), (status.st_mode & directory_mode_mask) | 0700) != 0)
    return cannot("use as a folder", record.path, errno);
  return {};
}

Result<> Store::on(const DirectoryEnd& record) {
  if (file_) return out_of_turn("a folder inside a file");
  auto place = place_of(record.path);
  if (!place) return tl::unexpected(place.error());
  const FileDescriptor directory(openat(place->directory, place->name.c_str(), open_directory));
  if (!directory || fchmod(directory.get(), record.mode & directory_mode_mask) != 0)
    return cannot("set the mode of", record.path, errno);
  return {};
}

Result<> Store::on(const FileBegin& record) {
  if (file_) return out_of_turn("a file inside a file");
  const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  FileDescriptor fd(openat(out_.get(), temporary_.c_str(), flags, 0600));
  if (!fd && errno == EEXIST && unlinkat(out_.get(), temporary_.c_str(), 0) == 0)
    fd = FileDescriptor(openat(out_.get(), temporary_.c_str(), flags, 0600));
  if (!fd) return cannot("create", record.path, errno);
  file_ = Open{std::string(record.path), record.mode, record.size, record.size, std::move(fd)};
  digest_ = Digest();
  return {};
}

Result<> Store::on(const FileData& record) {
  if (!file_) return out_of_turn("data without a file");
  Bytes rest = record.bytes;
  if (rest.size() > file_->left) return out_of_turn("more data than the file has");
  digest_.update(rest);
  file_->left -= rest.size();
  bytes_ += rest.size();
  while (!rest.empty()) {
    const ssize_t written = write(file_->fd.get(), rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return cannot("write", file_->path, errno);
    rest = rest.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Result<> Store::on(const FileEnd& record) {
  if (!file_) return out_of_turn("the end of no file");
  if (file_->left != 0) return out_of_turn("a file that ends early");
  if (digest_.value() != record.digest)
    return fail(Code::refused,
                fmt::format("{}/{} has the wrong digest", shown_root_, printable(file_->path)));
  if (fchmod(file_->fd.get(), file_->mode & file_mode_mask) != 0)
    return cannot("set the mode of", file_->path, errno);
  if (file_->fd.reset() != 0) return cannot("write", file_->path, errno);
  if (auto named = take_name(file_->path); !named) return named;
  file_.reset();
  ++files_;
  return {};
}

Result<> Store::on(const SymbolicLink& record) {
  if (file_) return out_of_turn("a link inside a file");
  const std::string target(record.target);
  int made = symlinkat(target.c_str(), out_.get(), temporary_.c_str());
  if (made != 0 && errno == EEXIST && unlinkat(out_.get(), temporary_.c_str(), 0) == 0)
    made = symlinkat(target.c_str(), out_.get(), temporary_.c_str());
  if (made != 0) return cannot("create the link", record.path, errno);
  auto named = take_name(record.path);
  if (!named) unlinkat(out_.get(), temporary_.c_str(), 0);
  return named;
}

Result<> Store::on(const Padding&) {
  return {};
}

Result<> Store::on(const End& record) {
  if (file_) return out_of_turn("the end inside a file");
  if (record.files != files_ || record.bytes != bytes_)
    return fail(Code::refused, fmt::format("{} files of {} bytes came, {} of {} were sent", files_,
                                           bytes_, record.files, record.bytes));
  ended_ = true;
  return {};
}

}  // namespace squall::replicate
