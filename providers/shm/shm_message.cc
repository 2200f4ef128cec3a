#include "providers/shm/shm_message.h"

#include <algorithm>
#include <cstring>

#include "core/base/assert.h"
#include "core/base/copy.h"

namespace squall::shm {
namespace {

constexpr std::uint64_t header_bytes = 8;

constexpr std::uint64_t frame_bytes(std::uint64_t message_bytes) {
  return round_up(header_bytes + message_bytes, line_bytes);
}

LinkHeader& header_of(std::byte* segment) {
  return *reinterpret_cast<LinkHeader*>(segment);
}
const LinkHeader& header_of(const std::byte* segment) {
  return *reinterpret_cast<const LinkHeader*>(segment);
}

}  // namespace

MessageSender::MessageSender(std::byte* mine, const std::byte* theirs, std::size_t lane)
    : ring_(mine + link_rings_offset + lane * lane_ring_bytes),
      wants_room_(&header_of(mine).wants_room[lane]),
      consumed_shared_(&header_of(theirs).consumed[lane]) {}

bool MessageSender::refresh_consumed() {
  const Position claimed = consumed_shared_->load(std::memory_order_acquire);
  if (claimed < consumed_ || claimed > appended_) return false;
  consumed_ = claimed;
  return true;
}

void MessageSender::copy_in(Position at, Bytes bytes) {
  const std::size_t first = std::min<std::size_t>(bytes.size(), lane_math.until_end(at));
  copy_words(ring_ + lane_math.offset(at), bytes.data(), first);
  if (first < bytes.size()) std::memcpy(ring_, bytes.data() + first, bytes.size() - first);
}

void MessageSender::clear(Position line) {
  header_at(line).store(0, std::memory_order_relaxed);
  cleared_ = line + line_bytes;
}

MessageSender::Outcome MessageSender::send(Bytes message) {
  SQUALL_ASSERT(message.size() <= max_message_bytes, "the caller checked the length");
  const std::uint64_t need = frame_bytes(message.size());
  // And the place of the header behind it, which is to say that there is none.
  const auto fits = [&] { return appended_ + need + line_bytes - consumed_ <= lane_ring_bytes; };
  if (!fits()) {
    if (!refresh_consumed()) return Outcome::broken;
    if (!fits()) {
      // Pairs with the fence in release(): either the peer sees the wish, or we see the room.
      wants_room_->store(1, std::memory_order_relaxed);
      std::atomic_thread_fence(std::memory_order_seq_cst);
      if (!refresh_consumed()) return Outcome::broken;
      if (!fits()) return Outcome::full;
    }
    wants_room_->store(0, std::memory_order_relaxed);
  }
  if (!message.empty()) copy_in(appended_ + header_bytes, message);
  const Position next = appended_ + need;
  if (cleared_ <= next) clear(next);
  header_at(appended_).store(message.size() + 1, std::memory_order_release);
  appended_ = next;
  // The line behind that now, while nobody waits: the reader has it in its cache since the last
  // lap, and had it to be had from there before the next header is seen, that would be late.
  if (cleared_ == next + line_bytes && cleared_ + line_bytes - consumed_ <= lane_ring_bytes)
    clear(cleared_);
  return Outcome::sent;
}

bool MessageSender::room_came() {
  if (consumed_shared_->load(std::memory_order_acquire) == consumed_) return false;
  wants_room_->store(0, std::memory_order_relaxed);
  return true;
}

MessageReceiver::MessageReceiver(std::byte* mine, const std::byte* theirs, std::size_t lane)
    : ring_(theirs + link_rings_offset + lane * lane_ring_bytes),
      wants_room_(&header_of(theirs).wants_room[lane]),
      consumed_shared_(&header_of(mine).consumed[lane]) {}

MessageReceiver::Outcome MessageReceiver::peek(std::size_t& bytes) {
  // Read once: a liar may change it between our check and our use.
  const std::uint64_t claimed = header();
  if (claimed == 0 || consumed_ >= end_) return Outcome::empty;
  if (claimed - 1 > max_message_bytes) return Outcome::broken;
  bytes = claimed - 1;
  return Outcome::message;
}

void MessageReceiver::take(MutableBytes destination) {
  const Position at = consumed_ + header_bytes;
  const std::size_t first = std::min<std::size_t>(destination.size(), lane_math.until_end(at));
  copy_words(destination.data(), ring_ + lane_math.offset(at), first);
  if (first < destination.size())
    std::memcpy(destination.data() + first, ring_, destination.size() - first);
  consumed_ += frame_bytes(destination.size());
}

bool MessageReceiver::release() {
  consumed_shared_->store(released_ = consumed_, std::memory_order_release);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return wants_room_->load(std::memory_order_relaxed) != 0;
}

}  // namespace squall::shm
