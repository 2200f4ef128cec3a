#include "groups/files/sender.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <utility>
#include <vector>

#include "core/base/printable.h"
#include "groups/files/path.h"

namespace squall {

using files::PieceReader;
using Step = FileSender::Step;

namespace {

/// Of this process, which is one incarnation of one member.
std::uint64_t next_number() {
  static std::atomic<std::uint64_t> next{0};
  return next.fetch_add(1, std::memory_order_relaxed);
}

/// Of a message, so that there is room for some at a time.
std::size_t most_bytes(const Group& group, const FileSending& options) {
  constexpr std::size_t least = files::header_bytes(files::max_path_bytes) + 4096;
  const std::size_t room = std::max(group.max_message_bytes(), group.max_object_bytes() / 4);
  return std::max(least, std::min(options.piece_bytes, room));
}

}  // namespace

Result<FileSender> FileSender::open(Group& group, const std::string& path, std::string_view name,
                                    const FileSending& options) {
  // Not to wait for who writes, should it be a pipe.
  files::FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return fail_errno(fmt::format("cannot read {}", printable(path)), errno);
  auto file = PieceReader::open(std::move(fd), path, name);
  if (!file) return tl::unexpected(file.error());
  return create(group, std::move(*file), options);
}

Result<FileSender> FileSender::create(Group& group, PieceReader file, const FileSending& options) {
  if (file.total() > options.max_file_bytes)
    return fail(Code::too_large,
                fmt::format("{} has {} bytes; a file has at most {}", printable(file.shown()),
                            file.total(), options.max_file_bytes),
                "raise max_file_bytes, here and at the others' sinks");
  if (group.max_message_bytes() == 0)
    return fail(Code::invalid, fmt::format("this member is no sender of group {}", group.name()),
                "name it in the group's senders");
  file.set_number(next_number());
  return FileSender(group, std::move(file), most_bytes(group, options));
}

FileSender::FileSender(Group& group, PieceReader file, std::size_t most)
    : group_(&group), file_(std::move(file)), most_(most) {}

FileSender::FileSender(FileSender&& other) noexcept
    : group_(std::exchange(other.group_, nullptr)),
      file_(std::move(other.file_)),
      most_(other.most_),
      filled_(std::move(other.filled_)),
      begun_(other.begun_),
      failed_(std::move(other.failed_)) {}

FileSender::~FileSender() {
  if (group_ == nullptr || !begun_ || (file_.done() && !filled_)) return;
  const std::string why = failed_ ? failed_->text() : "it was told to";
  static_cast<void>(group_->try_send(files::encode_given_up(file_.number(), why)));
}

Result<Step> FileSender::step(bool wait) {
  if (failed_) return tell_of_failure(wait);
  if (!filled_ && file_.done()) return Step::done;
  const std::size_t bytes = filled_ ? filled_.size() : file_.next_bytes(most_);
  auto went = !filled_ && bytes <= group_->max_message_bytes() ? through_ring(bytes, wait)
                                                               : as_object(bytes, wait);
  if (went) {
    begun_ = begun_ || *went == Step::sent;
    return went;
  }
  failed_ = std::make_unique<Error>(went.error());
  return tell_of_failure(wait);
}

Result<Step> FileSender::through_ring(std::size_t bytes, bool wait) {
  auto space = group_->reserve(bytes);
  if (space) {
    if (auto read = file_.next(space->bytes); !read) {
      group_->cancel(*space);
      return tl::unexpected(read.error());
    }
    group_->commit(*space);
    return Step::sent;
  }
  if (space.error().code != Code::would_block) return tl::unexpected(space.error());
  if (!wait) return Step::waits;
  // To wait for room in the ring is for who brings his own bytes.
  std::vector<std::byte> message(bytes);
  if (auto read = file_.next(message); !read) return tl::unexpected(read.error());
  if (auto sent = group_->send(message); !sent) return tl::unexpected(sent.error());
  return Step::sent;
}

Result<Step> FileSender::as_object(std::size_t bytes, bool wait) {
  if (!filled_) {
    // Of few sizes, so that those which come back from other files serve again.
    const std::size_t room = std::min(std::bit_ceil(bytes), most_);
    auto buffer = wait ? group_->buffer(room) : group_->try_buffer(room);
    if (!buffer && buffer.error().code == Code::would_block && !wait) return Step::waits;
    if (!buffer) return tl::unexpected(buffer.error());
    buffer->shrink(bytes);
    if (auto read = file_.next(buffer->bytes()); !read) return tl::unexpected(read.error());
    filled_ = std::move(*buffer);
  }
  auto sent = wait ? group_->send(std::move(filled_)) : group_->try_send(filled_);
  if (!sent && sent.error().code == Code::would_block && !wait) return Step::waits;
  if (!sent) return tl::unexpected(sent.error());
  return Step::sent;
}

/// They wait for more of the file, and need not.
Result<Step> FileSender::tell_of_failure(bool wait) {
  if (begun_) {
    const auto word = files::encode_given_up(file_.number(), failed_->text());
    auto told = wait ? group_->send(word) : group_->try_send(word);
    if (!told && told.error().code == Code::would_block && !wait) return Step::waits;
    begun_ = false;
  }
  return tl::unexpected(*failed_);
}

Result<> FileSender::finish() {
  while (true) {
    auto went = step(true);
    if (!went) return tl::unexpected(went.error());
    if (*went == Step::done) return {};
  }
}

Result<> send_file(Group& group, const std::string& path, std::string_view name,
                   const FileSending& options) {
  auto sender = FileSender::open(group, path, name, options);
  if (!sender) return tl::unexpected(sender.error());
  return sender->finish();
}

}  // namespace squall
