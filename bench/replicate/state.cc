#include "bench/replicate/state.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "bench/replicate/record.h"
#include "core/base/printable.h"
#include "groups/files/open_below.h"
#include "groups/files/piece_reader.h"

namespace squall::replicate {

using files::FileDescriptor;
using files::PieceReader;

namespace {

using Length = std::uint32_t;

/// Longer is no record: two paths.
constexpr std::size_t max_message_bytes =
    std::max<std::size_t>(max_state_piece_bytes, 2 * (max_path_bytes + 64));

tl::unexpected<Error> shorter(std::string_view what) {
  return fail(Code::io, fmt::format("{} is shorter than it was written", printable(what)),
              "leave the output directory alone while it is written");
}

/// Exactly so many bytes from there, or an error.
Result<> read_at(int fd, std::uint64_t offset, MutableBytes to) {
  const std::string_view what = "what is done";
  while (!to.empty()) {
    const ssize_t got = pread(fd, to.data(), to.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(fmt::format("cannot read {}", what), errno);
    if (got == 0) return shorter(what);
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
  Result<> begin_file(const File& file);
  MutableBytes new_frame(std::size_t message_bytes);

  Journal::Reading journal_;
  Store::Reading store_;
  std::uint64_t read_ = 0;  // of the journal
  std::vector<std::byte> frame_;
  std::size_t at_ = 0;

  std::optional<PieceReader> file_;  // whose pieces come next
};

MutableBytes HandedOut::new_frame(std::size_t message_bytes) {
  frame_.resize(sizeof(Length) + message_bytes);
  at_ = 0;
  const auto length = static_cast<Length>(message_bytes);
  std::memcpy(frame_.data(), &length, sizeof(length));
  return MutableBytes(frame_).subspan(sizeof(length));
}

Result<bool> HandedOut::next_frame() {
  if (file_ && file_->done()) file_.reset();
  if (!file_ && read_ == journal_.bytes) {
    // The one under way comes last.
    if (store_.partial.empty()) return false;
    FileSink::UnderWay partial = std::move(store_.partial.back());
    store_.partial.pop_back();
    file_.emplace(std::move(partial.fd),
                  PieceReader::Known{partial.number, std::move(partial.path), partial.mode,
                                     partial.total, partial.received});
  }
  auto next = file_ ? next_of_file() : next_of_journal();
  if (!next) return tl::unexpected(next.error());
  return true;
}

/// In place of a file's record there is its first piece.
Result<> HandedOut::next_of_journal() {
  Length length = 0;
  const MutableBytes space{reinterpret_cast<std::byte*>(&length), sizeof(length)};
  if (auto got = read_at(journal_.fd.get(), read_, space); !got) return got;
  const MutableBytes bytes = new_frame(length);
  if (auto got = read_at(journal_.fd.get(), read_ + sizeof(length), bytes); !got) return got;
  read_ += sizeof(length) + length;
  const auto record = decode(bytes);
  if (!record) return tl::unexpected(record.error());
  const auto* file = std::get_if<File>(&*record);
  if (file == nullptr) return {};
  if (auto begun = begin_file(*file); !begun) return begun;
  return next_of_file();
}

Result<> HandedOut::begin_file(const File& file) {
  FileDescriptor fd = files::open_below(store_.root.get(), file.path, O_RDONLY).fd;
  struct stat status {};
  if (!fd || fstat(fd.get(), &status) != 0)
    return fail_errno(fmt::format("cannot read {}", printable(file.path)), errno);
  if (static_cast<std::uint64_t>(status.st_size) < file.size) return shorter(file.path);
  // No number of one that is under way: that comes after all these.
  file_.emplace(std::move(fd), PieceReader::Known{0, std::string(file.path), file.mode, file.size,
                                                  file.size, file.digest});
  return {};
}

Result<> HandedOut::next_of_file() {
  return file_->next(new_frame(file_->next_bytes(max_state_piece_bytes)));
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
    if (length > max_message_bytes)
      return fail(Code::refused, fmt::format("a state with a message of {} bytes", length),
                  "the member that sent it is broken, or another version");
    if (open_.size() < sizeof(length) || open_.size() < wanted) continue;
    auto taken = take(Bytes(open_).subspan(sizeof(length)));
    open_.clear();
    if (!taken) return taken;
  }
  return {};
}

}  // namespace squall::replicate
