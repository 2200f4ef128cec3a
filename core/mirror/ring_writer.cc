#include "core/mirror/ring_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/assert.h"

namespace squall::mirror {
namespace {

// How much the turning thread takes from the tail at once: enough messages to forget the cost, and
// a small part of the ring, since other threads cannot use it meanwhile.
constexpr std::size_t most_stretch_bytes = std::size_t{16} << 10;
constexpr std::size_t stretch_fraction = 16;

}  // namespace

Result<std::unique_ptr<RingWriter>> RingWriter::create(std::size_t ring_bytes) {
  if (!is_power_of_two(ring_bytes) || ring_bytes < min_ring_bytes || ring_bytes > max_ring_bytes)
    return fail(Code::invalid,
                fmt::format("a ring of {} bytes: it must be a power of two from {} to {}",
                            ring_bytes, min_ring_bytes, max_ring_bytes),
                "set ring_bytes of the group");
  auto memory = fabric::Memory::create(ring_bytes);
  if (!memory) return tl::unexpected(memory.error());
  return std::unique_ptr<RingWriter>(
      new RingWriter(std::make_unique<fabric::Memory>(std::move(*memory)), ring_bytes));
}

RingWriter::RingWriter(std::unique_ptr<fabric::Memory> memory, std::size_t ring_bytes)
    : memory_(std::move(memory), ring_bytes),
      math_(ring_bytes),
      log_(ring_bytes),
      limit_(ring_bytes),
      stretch_bytes_(std::min(most_stretch_bytes, ring_bytes / stretch_fraction)) {}

/// Claims at least `least` and at most `most` contiguous bytes, padding the ring's end if need be.
bool RingWriter::take(std::size_t least, std::size_t most, Space& space) {
  RingTail tail = tail_.load(std::memory_order_relaxed);
  Position begin, end;
  std::uint64_t padding;
  do {
    const Position at = position_of(tail);
    const std::uint64_t until_end = math_.until_end(at);
    padding = least > until_end ? until_end : 0;
    begin = at + padding;
    // Acquire: the owner's clearing of the log happened before the limit moved.
    const Position limit = limit_.load(std::memory_order_acquire);
    if (begin + least > limit) return false;
    end = begin + std::min({std::uint64_t{most}, math_.until_end(begin), limit - begin});
    // Acquire: the memory that the tail names was made before the tail named it.
  } while (!tail_.compare_exchange_weak(tail, moved_to(end, tail), std::memory_order_acquire,
                                        std::memory_order_relaxed));
  space = {begin, end, memory_.claimed_in(tail)};
  if (padding != 0) pad(header(space.memory, begin - padding), begin - padding, begin);
  return true;
}

void RingWriter::pad(FrameHeader* frame, Position begin, Position end) {
  const auto bytes = static_cast<std::uint32_t>(end - begin - sizeof(FrameHeader));
  *frame = {bytes, FrameKind::padding, 0};
  log_.commit(begin, {bytes, FrameKind::padding});
}

void RingWriter::fill(std::byte* memory, Position frame, std::size_t message_bytes, Claim& claim) {
  FrameHeader* const mine = header(memory, frame);
  mine->bytes = static_cast<std::uint32_t>(message_bytes);
  mine->kind = FrameKind::message;
  claim = {reinterpret_cast<std::byte*>(mine + 1), frame, mine->bytes};
}

bool RingWriter::claim(std::size_t message_bytes, Claim& claim) {
  if (!fits(message_bytes)) return false;
  const std::size_t size = frame_bytes(message_bytes);
  Space space;
  if (!take(size, size, space)) return false;
  fill(space.memory, space.begin, message_bytes, claim);
  return true;
}

void RingWriter::commit_object(const Claim& claim) {
  (reinterpret_cast<FrameHeader*>(claim.message) - 1)->kind = FrameKind::object;
  log_.commit(claim.frame, {claim.message_bytes, FrameKind::object});
}

bool RingWriter::claim_here(std::size_t message_bytes, Claim& claim) {
  const std::size_t size = frame_bytes(message_bytes);
  if (stretch_begin_ + size > stretch_end_ && !next_stretch(message_bytes)) return false;
  only_appended_ = false;
  log_.end_run();
  own_lines(size);
  fill(stretch_memory_, stretch_begin_, message_bytes, claim);
  stretch_begin_ += size;
  return true;
}

bool RingWriter::next_stretch(std::size_t message_bytes) {
  if (!fits(message_bytes)) return false;
  close_stretch();
  const std::size_t size = frame_bytes(message_bytes);
  Space space;
  if (!take(size, std::max(size, stretch_bytes_), space)) return false;
  stretch_begin_ = space.begin;
  stretch_end_ = space.end;
  stretch_memory_ = space.memory;
  open_ = true;
  const bool streams = stretch_begin_ - published_ >= not_yet_streaming;
  owned_ = stretch_begin_ + (streams ? 0 : not_yet_streaming);
  // Padding, or another thread's frames, lie between.
  if (stretch_begin_ != appended_end_) only_appended_ = false;
  return true;
}

void RingWriter::close_stretch() {
  log_.end_run();
  if (appended_ != 0) appended_end_ = stretch_begin_;
  open_ = false;
  if (stretch_begin_ == stretch_end_) return;
  // Back to the tail, unless another thread has claimed behind it.
  RingTail tail = memory_.tail_at(stretch_end_);
  if (!tail_.compare_exchange_strong(tail, moved_to(stretch_begin_, tail),
                                     std::memory_order_relaxed))
    pad(header(stretch_memory_, stretch_begin_), stretch_begin_, stretch_end_);
  stretch_end_ = stretch_begin_;
}

void RingWriter::cancel(const Claim& claim) {
  const std::size_t size = frame_bytes(claim.message_bytes);
  pad(reinterpret_cast<FrameHeader*>(claim.message) - 1, claim.frame, claim.frame + size);
}

std::uint64_t RingWriter::publish(Round& next) {
  held_up_ = false;
  if (!pending() && memory_.settled()) return 0;  // what is prepared stays so
  close_stretch();
  if (!memory_.settled()) [[unlikely]]
    memory_.settle(tail_);
  const Position tail = position_of(tail_.load(std::memory_order_acquire));
  if (tail == published_ || !log_.begin_batch(published_, next)) return 0;
  const Round first = next;
  lone_ = false;
  if (only_appended_ && planned_ == next) {
    lone_ = tail == appended_end_ && appended_end_ - published_ <= lone_bytes;
    published_ = appended_end_;
    next += appended_;
    log_.publish_runs_below(published_);
  }
  while (published_ != tail && publish_next(next)) {
  }
  log_.end_batch(next);
  memory_.published(published_);
  // Now rather than with the next publication, which may wait for space.
  if (!memory_.current()) [[unlikely]]
    memory_.settle(tail_);
  only_appended_ = published_ == tail && memory_.settled();
  appended_ = 0;
  appended_end_ = published_;
  planned_ = next;
  next_number_ += next - first;
  return next - first;
}

void RingWriter::prepare() {
  if (open_ || !std::exchange(lone_, false)) return;
  const Position at = position_of(tail_.load(std::memory_order_relaxed));
  Space space;
  if (math_.until_end(at) < lone_bytes || !take(lone_bytes, lone_bytes, space)) return;
  stretch_begin_ = space.begin;
  stretch_end_ = space.end;
  stretch_memory_ = space.memory;
  open_ = true;
  if (stretch_begin_ != appended_end_) only_appended_ = false;
  owned_ = stretch_begin_;
  own_more_lines(0);
}

/// The frame at `published_`, or the run that begins there. False if it is not committed, or is an
/// object's that must wait.
bool RingWriter::publish_next(Round& next) {
  if (const FrameLog::Run* run = log_.unpublished_run(published_)) {
    memory_.bring(published_, run->end());
    for (const Position end = run->end(); published_ != end; published_ += frame_bytes(run->bytes))
      shown_header(published_)->round = next++;
    log_.publish_run();
    return true;
  }
  FrameLog::Frame frame;
  if (!log_.look(published_, frame)) return false;
  if (frame.kind == FrameKind::object && published_ >= objects_passed_) {
    held_up_ = true;
    return false;
  }
  const Position end = published_ + frame_bytes(frame.bytes);
  memory_.bring(published_, end);
  if (frame.kind != FrameKind::padding) shown_header(published_)->round = next++;
  published_ = end;
  return true;
}

void RingWriter::rewind(Round first_lost) {
  // A view change is rare enough to walk the ring itself. What is below the limit by a ring's
  // length may have been claimed anew, and what is older than this view has that one's rounds.
  Position at = std::max(limit_.load(std::memory_order_relaxed) - math_.bytes(), view_begin_);
  bool lost = false;
  Position base = published_;
  while (at != published_) {
    const FrameHeader& frame = *shown_header(at);
    const bool counts = frame.kind != FrameKind::padding;
    if (counts && frame.round >= first_lost && !lost) {
      lost = true;
      base = at;
    }
    if (lost) {
      log_.commit(at, {frame.bytes, frame.kind});
      if (counts) --next_number_;
    }
    at += frame_bytes(frame.bytes);
  }
  log_.restart();
  published_ = view_begin_ = base;
  objects_passed_ = 0;
  only_appended_ = false;
  appended_ = 0;
  planned_ = 0;
}

Result<> RingWriter::renew() {
  close_stretch();
  only_appended_ = false;
  return memory_.renew(tail_, published_);
}

}  // namespace squall::mirror
