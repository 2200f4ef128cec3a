#pragma once
// Message rings: one per ordered pair of peers and lane, one writer, one reader. The ring lies in
// the sender's link segment, which the receiver maps read-only; how far the receiver got stands in
// the receiver's own link segment, which the sender maps read-only. So neither can write what the
// other owns, and each checks every number that it reads from the other: a peer that lies is
// `broken`, never a reason to crash.
//
// A frame is a header of 8 bytes and the message, rounded up to whole cache lines; it may wrap. The
// header is one more than the message's length, and stored last: 0 where the next frame is still to
// come. So a reader that waits looks at where the message itself will be, and one of up to 56 bytes
// costs it one cache line, where a counter beside the ring would cost two, one after the other.

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "core/base/bytes.h"
#include "core/base/ring_math.h"

namespace squall::shm {

inline constexpr std::size_t lane_count = 2;
inline constexpr std::uint64_t line_bytes = 64;  // of the cache: frames begin at its multiples
inline constexpr std::uint64_t lane_ring_bytes = std::uint64_t{256} << 10;
inline constexpr std::size_t max_message_bytes = std::size_t{64} << 10;
inline constexpr RingMath lane_math(lane_ring_bytes);

using SharedCounter = std::atomic<std::uint64_t>;
static_assert(SharedCounter::is_always_lock_free, "counters are shared between processes");

/// The first page of a link segment: what one side of a connection tells the other. Two lines,
/// because their owner writes them at different times: as sender, and as receiver.
struct LinkHeader {
  /// Not 0: I had to wait for room; ring my doorbell when you have taken something.
  alignas(line_bytes) std::atomic<std::uint32_t> wants_room[lane_count];
  alignas(line_bytes) SharedCounter consumed[lane_count];  ///< bytes ever read of your rings
};

inline constexpr std::size_t link_rings_offset = 4096;
inline constexpr std::size_t link_bytes = link_rings_offset + lane_count * lane_ring_bytes;
static_assert(sizeof(LinkHeader) <= link_rings_offset);

/// The sending end. Lives as long as both segments are mapped.
class MessageSender {
 public:
  enum class Outcome : unsigned char { sent, full, broken };

  MessageSender() = default;
  /// `mine` is the first byte of my link segment, `theirs` of the peer's.
  MessageSender(std::byte* mine, const std::byte* theirs, std::size_t lane);

  /// Copies `message` (at most max_message_bytes) into the ring and publishes it. `full` asks the
  /// peer to ring when there is room again.
  Outcome send(Bytes message);
  /// After `full`: true, once, when something was taken since. Sending again is then worth while.
  bool room_came();
  /// Bytes ever written to the ring.
  Position appended() const { return appended_; }

 private:
  bool refresh_consumed();
  void copy_in(Position at, Bytes bytes);
  void clear(Position line);
  std::atomic_ref<std::uint64_t> header_at(Position at) const {
    return std::atomic_ref(*reinterpret_cast<std::uint64_t*>(ring_ + lane_math.offset(at)));
  }

  std::byte* ring_ = nullptr;
  std::atomic<std::uint32_t>* wants_room_ = nullptr;
  const SharedCounter* consumed_shared_ = nullptr;
  Position appended_ = 0;
  Position consumed_ = 0;  ///< as last seen and believed
  /// From `appended_` up to here, no line begins with what could be taken for a header.
  Position cleared_ = lane_ring_bytes;
};

/// The receiving end.
class MessageReceiver {
 public:
  enum class Outcome : unsigned char { message, empty, broken };

  MessageReceiver() = default;
  MessageReceiver(std::byte* mine, const std::byte* theirs, std::size_t lane);

  /// Hot: one load of a line that changes only when the peer sends.
  bool pending() const { return header() != 0 && consumed_ < end_; }
  /// The peer has hung up: there is no more than its ring can hold, whatever stands in it.
  void nothing_new() { end_ = consumed_ + lane_ring_bytes; }

  /// Looks at the next frame's header, once; `bytes` is its checked length.
  Outcome peek(std::size_t& bytes);
  /// Copies the peeked message out and steps over it.
  void take(MutableBytes destination);
  /// Gives the room of what was taken back. True if the peer waits for it and must be woken. Costs
  /// a fence, so whoever has taken something leaves it until nobody waits for what comes of it, or
  /// it is due: the peer has asked, or it is much.
  bool release();
  bool owes_room() const { return released_ != consumed_; }
  bool release_due() const {
    return consumed_ - released_ >= lane_ring_bytes / 4 ||
           wants_room_->load(std::memory_order_relaxed) != 0;
  }

 private:
  /// Of the next frame.
  std::uint64_t header() const {
    return std::atomic_ref(*reinterpret_cast<std::uint64_t*>(const_cast<std::byte*>(ring_) +
                                                             lane_math.offset(consumed_)))
        .load(std::memory_order_acquire);
  }

  const std::byte* ring_ = nullptr;
  const std::atomic<std::uint32_t>* wants_room_ = nullptr;
  SharedCounter* consumed_shared_ = nullptr;
  Position consumed_ = 0;
  Position released_ = 0;
  Position end_ = ~Position{0};
};

}  // namespace squall::shm
