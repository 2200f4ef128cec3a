#include "bench/replicate/state.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "bench/replicate/open_below.h"
#include "bench/replicate/record.h"
#include "bench/replicate/walk.h"

namespace squall::replicate {
namespace {

using Length = std::uint32_t;

/// Longer is no record: two paths, or data.
constexpr std::size_t max_record_bytes =
    std::max<std::size_t>(chunk_bytes + data_header_bytes, 2 * (max_path_bytes + 64));

/// Exactly so many bytes from there, or an error.
Result<> read_at(int fd, std::uint64_t offset, MutableBytes to, std::string_view what) {
  while (!to.empty()) {
    const ssize_t got = pread(fd, to.data(), to.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(fmt::format("cannot read {}", printable(what)), errno);
    if (got == 0)
      return fail(Code::io, fmt::format("{} is shorter than it was written", printable(what)),
                  "leave the output directory alone while it is written");
    to = to.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
  return {};
}

class HandedOut {
 public:
  HandedOut(Journal::Reading journal, Store::Reading store)
      : journal_(std::move(journal)), store_(std::move(store)) {}

  Result<std::size_t> fill(MutableBytes to) {
    std::size_t filled = 0;
    while (filled < to.size()) {
      if (at_ == frame_.size()) {
        auto more = next_frame();
        if (!more) return tl::unexpected(more.error());
        if (!*more) break;
      }
      const std::size_t count = std::min(to.size() - filled, frame_.size() - at_);
      std::copy_n(frame_.data() + at_, count, to.data() + filled);
      at_ += count;
      filled += count;
    }
    return filled;
  }

 private:
  /// False at the end.
  Result<bool> next_frame();
  Result<> next_of_journal();
  Result<> next_of_file();
  Result<> begin_file(std::string_view path, std::uint64_t size);
  MutableBytes new_frame(std::size_t record_bytes);

  Journal::Reading journal_;
  Store::Reading store_;
  std::uint64_t read_ = 0;  // of the journal
  std::vector<std::byte> frame_;
  std::size_t at_ = 0;

  struct File {
    std::string path;
    FileDescriptor fd;
    std::uint64_t offset = 0;
    std::uint64_t end = 0;
  };
  std::optional<File> file_;  // whose bytes come next
};

MutableBytes HandedOut::new_frame(std::size_t record_bytes) {
  frame_.resize(sizeof(Length) + record_bytes);
  at_ = 0;
  const auto length = static_cast<Length>(record_bytes);
  std::memcpy(frame_.data(), &length, sizeof(length));
  return MutableBytes(frame_).subspan(sizeof(length));
}

Result<bool> HandedOut::next_frame() {
  if (file_ && file_->offset == file_->end) file_.reset();
  if (!file_ && read_ == journal_.bytes) return false;
  auto next = file_ ? next_of_file() : next_of_journal();
  if (!next) return tl::unexpected(next.error());
  return true;
}

Result<> HandedOut::next_of_journal() {
  Length length = 0;
  const std::string_view what = "what is done";
  const MutableBytes space{reinterpret_cast<std::byte*>(&length), sizeof(length)};
  if (auto got = read_at(journal_.fd.get(), read_, space, what); !got) return got;
  const MutableBytes bytes = new_frame(length);
  if (auto got = read_at(journal_.fd.get(), read_ + sizeof(length), bytes, what); !got) return got;
  read_ += sizeof(length) + length;
  const auto record = decode(bytes);
  if (!record) return tl::unexpected(record.error());
  const auto* begin = std::get_if<FileBegin>(&*record);
  return begin == nullptr ? Result<>{} : begin_file(begin->path, begin->size);
}

/// The last of the journal is the one being written, of which only so much was there.
Result<> HandedOut::begin_file(std::string_view path, std::uint64_t size) {
  file_ = File{std::string(path), {}, 0, size};
  if (read_ == journal_.bytes) {
    file_->fd = std::move(store_.partial);
    file_->end = store_.partial_bytes;
  } else if (size > 0) {
    file_->fd = open_below(store_.root.get(), path, O_RDONLY).fd;
    if (!file_->fd) return fail_errno(fmt::format("cannot read {}", printable(path)), errno);
  }
  return {};
}

Result<> HandedOut::next_of_file() {
  const auto count =
      static_cast<std::size_t>(std::min<std::uint64_t>(chunk_bytes, file_->end - file_->offset));
  const MutableBytes record = new_frame(data_header_bytes + count);
  encode_data_header(record);
  auto got =
      read_at(file_->fd.get(), file_->offset, record.subspan(data_header_bytes), file_->path);
  file_->offset += count;
  return got;
}

}  // namespace

std::function<Result<std::size_t>(MutableBytes)> hand_out(Journal::Reading journal,
                                                          Store::Reading store) {
  auto state = std::make_shared<HandedOut>(std::move(journal), std::move(store));
  return [state](MutableBytes to) { return state->fill(to); };
}

Result<> StateReader::read(Bytes piece, const Take& take) {
  while (!piece.empty()) {
    Length length = 0;
    const auto want = [&] {
      if (open_.size() < sizeof(length)) return sizeof(length);
      std::memcpy(&length, open_.data(), sizeof(length));
      return sizeof(length) + length;
    };
    const std::size_t count = std::min(want() - open_.size(), piece.size());
    open_.insert(open_.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(count));
    piece = piece.subspan(count);
    const std::size_t wanted = want();
    if (length > max_record_bytes)
      return fail(Code::refused, fmt::format("a state with a record of {} bytes", length),
                  "the member that sent it is broken, or another version");
    if (open_.size() < sizeof(length) || open_.size() < wanted) continue;
    auto taken = take(Bytes(open_).subspan(sizeof(length)));
    open_.clear();
    if (!taken) return taken;
  }
  return {};
}

}  // namespace squall::replicate
