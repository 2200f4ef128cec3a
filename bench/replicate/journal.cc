#include "bench/replicate/journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/uio.h>

#include <cerrno>

#include "core/base/printable.h"

namespace squall::replicate {

Result<Journal> Journal::open(const std::string& folder) {
  FileDescriptor fd(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd) {
    // Not every file system makes files without a name.
    std::string name = folder + "/.journal.XXXXXX";
    fd = FileDescriptor(mkostemp(name.data(), O_CLOEXEC));
    if (fd) unlink(name.c_str());
  }
  if (!fd)
    return fail_errno(fmt::format("cannot write below {}", printable(folder)), errno,
                      "choose another --out");
  return Journal(std::move(fd));
}

Result<> Journal::append(Bytes record) {
  auto size = static_cast<std::uint32_t>(record.size());
  iovec parts[]{{&size, sizeof(size)}, {const_cast<std::byte*>(record.data()), record.size()}};
  const std::size_t whole = sizeof(size) + record.size();
  ssize_t written = 0;
  do {
    written = pwritev(fd_.get(), parts, 2, static_cast<off_t>(bytes_));
  } while (written < 0 && errno == EINTR);
  if (written != static_cast<ssize_t>(whole))
    return fail_errno("cannot note what is done", written < 0 ? errno : ENOSPC,
                      "make room, or choose another --out");
  bytes_ += whole;
  digest_.update(as_bytes({reinterpret_cast<const char*>(&size), sizeof(size)})).update(record);
  return {};
}

Result<Journal::Reading> Journal::reading() const {
  FileDescriptor fd(fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0));
  if (!fd) return fail_errno("cannot read what is done", errno);
  return Reading{std::move(fd), bytes_};
}

}  // namespace squall::replicate
