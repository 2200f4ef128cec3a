#include "groups/files/piece_reader.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "core/base/assert.h"
#include "core/base/printable.h"
#include "groups/files/path.h"

namespace squall::files {
namespace {

tl::unexpected<Error> cannot_read(std::string_view shown, int error) {
  return fail_errno(fmt::format("cannot read {}", printable(shown)), error);
}

tl::unexpected<Error> changed(std::string_view shown, std::string_view how) {
  return fail(Code::io, fmt::format("{} changed while it was read: {}", printable(shown), how),
              "send it again when nobody writes it");
}

}  // namespace

Result<PieceReader> PieceReader::open(FileDescriptor fd, std::string_view shown,
                                      std::string_view path) {
  if (auto checked = check_path(path); !checked) return tl::unexpected(checked.error());
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) return cannot_read(shown, errno);
  if (!S_ISREG(status.st_mode))
    return fail(Code::io, fmt::format("{} is no regular file", printable(shown)));
  PieceReader reader;
  reader.fd_ = std::move(fd);
  reader.shown_ = shown;
  reader.piece_.path = path;
  reader.piece_.mode = status.st_mode & 07777;
  reader.piece_.total = reader.end_ = static_cast<std::uint64_t>(status.st_size);
  reader.stamp_ = {status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
  return reader;
}

PieceReader::PieceReader(FileDescriptor fd, Known known)
    : fd_(std::move(fd)), shown_(known.path), end_(known.received), known_(known.digest) {
  SQUALL_ASSERT(end_ <= known.total, "no more of a file is received than it has");
  piece_.number = known.number;
  piece_.path = std::move(known.path);
  piece_.mode = known.mode;
  piece_.total = known.total;
  done_ = end_ == 0 && known.total != 0;
}

std::size_t PieceReader::next_bytes(std::size_t most) const {
  const std::size_t header = header_bytes(piece_.path.size());
  SQUALL_ASSERT(most > header, "a piece has room for its header and some of the file");
  return header +
         static_cast<std::size_t>(std::min<std::uint64_t>(most - header, end_ - piece_.offset));
}

Result<> PieceReader::check_unchanged() const {
  struct stat now {};
  if (fstat(fd_.get(), &now) != 0) return cannot_read(shown_, errno);
  if (now.st_size != stamp_->size)
    return changed(shown_, fmt::format("{} bytes became {}", stamp_->size, now.st_size));
  if (now.st_mtim.tv_sec != stamp_->seconds || now.st_mtim.tv_nsec != stamp_->nanoseconds)
    return changed(shown_, "it was written");
  return {};
}

Result<> PieceReader::next(MutableBytes message) {
  SQUALL_ASSERT(!done_, "there is a next piece");
  const MutableBytes bytes = message.subspan(header_bytes(piece_.path.size()));
  SQUALL_ASSERT(bytes.size() <= end_ - piece_.offset, "no more of a file than it has");
  for (std::size_t got = 0; got < bytes.size();) {
    const ssize_t count = pread(fd_.get(), bytes.data() + got, bytes.size() - got,
                                static_cast<off_t>(piece_.offset + got));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return cannot_read(shown_, errno);
    if (count == 0)
      return changed(shown_,
                     fmt::format("it became shorter by {} bytes", end_ - piece_.offset - got));
    got += static_cast<std::size_t>(count);
  }
  piece_.bytes = bytes;
  if (stamp_) digest_.update(bytes);
  if (piece_.is_last()) {
    if (stamp_)
      if (auto checked = check_unchanged(); !checked) return checked;
    piece_.digest = stamp_ ? digest_.value() : known_;
  }
  encode_header(piece_, message);
  piece_.offset += bytes.size();
  piece_.bytes = {};
  piece_.path.clear();
  piece_.mode = 0;
  done_ = piece_.offset == end_;
  return {};
}

}  // namespace squall::files
