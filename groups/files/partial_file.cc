#include "groups/files/partial_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <utility>

#include "core/base/assert.h"
#include "core/base/printable.h"

namespace squall::files {
namespace {

// No set-user-id: whoever sends must not choose whose rights a program gets here.
constexpr std::uint32_t mode_mask = 0777;
// Less than this is not asked for first: the one write says as much.
constexpr std::uint64_t small = std::uint64_t{1} << 20;

}  // namespace

Result<PartialFile> PartialFile::create(int directory, std::string name, Folder& folder,
                                        Description description) {
  const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  FileDescriptor fd(openat(directory, name.c_str(), flags, 0600));
  if (!fd && errno == EEXIST && unlinkat(directory, name.c_str(), 0) == 0)
    fd = FileDescriptor(openat(directory, name.c_str(), flags, 0600));
  if (!fd) return folder.cannot("create", description.path, errno);
  PartialFile file(directory, std::move(name), folder, std::move(description), std::move(fd));
  if (auto asked = file.ask_for_room(); !asked) return tl::unexpected(asked.error());
  return file;
}

PartialFile::PartialFile(int directory, std::string name, Folder& folder, Description description,
                         FileDescriptor fd)
    : directory_(directory),
      name_(std::move(name)),
      folder_(&folder),
      description_(std::move(description)),
      fd_(std::move(fd)) {}

PartialFile::~PartialFile() {
  if (fd_) unlinkat(directory_, name_.c_str(), 0);
}

/// Now rather than in the middle of what everybody sends and writes.
Result<> PartialFile::ask_for_room() const {
  if (description_.total <= small) return {};
  struct statfs disk {};
  if (fstatfs(fd_.get(), &disk) == 0 && disk.f_type == TMPFS_MAGIC) {
    // It would give page after page there and then, which for gigabytes takes seconds. Without a
    // limit (f_blocks is 0) it has no answer.
    const std::uint64_t free = disk.f_bavail * static_cast<std::uint64_t>(disk.f_bsize);
    if (disk.f_blocks != 0 && free < description_.total) return cannot("write", ENOSPC);
    return {};
  }
  while (fallocate(fd_.get(), 0, 0, static_cast<off_t>(description_.total)) != 0) {
    if (errno == EINTR) continue;
    if (errno == EOPNOTSUPP || errno == ENOSYS) return {};  // not every file system can
    return cannot("write", errno);
  }
  return {};
}

Result<> PartialFile::write(Bytes bytes) {
  SQUALL_ASSERT(bytes.size() <= left(), "no more of a file than it has");
  digest_.update(bytes);
  while (!bytes.empty()) {
    const ssize_t count =
        pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(written_));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return cannot("write", errno);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    written_ += static_cast<std::uint64_t>(count);
  }
  return {};
}

Result<> PartialFile::finish(const Digest::Value& digest) {
  SQUALL_ASSERT(left() == 0, "a file is whole before it gets its name");
  if (digest_.value() != digest)
    return fail(Code::refused, fmt::format("{}/{} has the wrong digest", folder_->shown(),
                                           printable(description_.path)));
  if (fchmod(fd_.get(), description_.mode & mode_mask) != 0)
    return cannot("set the mode of", errno);
  const auto give_up = [&](tl::unexpected<Error> why) {
    unlinkat(directory_, name_.c_str(), 0);
    return why;
  };
  if (fd_.reset() != 0) return give_up(cannot("write", errno));
  const auto place = folder_->place_of(description_.path);
  if (!place) return give_up(tl::unexpected(place.error()));
  // It replaces what was there, also a symbolic link, itself.
  if (renameat(directory_, name_.c_str(), place->directory, place->name.c_str()) != 0)
    return give_up(cannot("create", errno));
  return {};
}

Result<FileDescriptor> PartialFile::duplicate() const {
  FileDescriptor fd(fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0));
  if (!fd) return fail_errno("cannot read what was written", errno);
  return fd;
}

}  // namespace squall::files
