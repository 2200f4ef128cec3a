#pragma once
// The writing end of a ring. Any thread claims space (compare-and-swap on a tail private to this
// node), fills it, and commits by storing the frame's length in a side array; only the engine
// publishes: the longest committed prefix, numbering the frames as it goes. The side array is
// private and is cleared as it is read, so bytes of an earlier lap are never taken for a commit.

#include <atomic>
#include <memory>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/base/ring_math.h"
#include "core/fabric/memory.h"
#include "core/mirror/frame.h"

namespace squall::mirror {

class RingWriter {
 public:
  struct Claim {
    std::byte* message = nullptr;
    Position frame = 0;
    std::uint32_t frame_bytes = 0;
  };

  /// `ring_bytes` is a power of two from min_ring_bytes to max_ring_bytes.
  static Result<std::unique_ptr<RingWriter>> create(std::size_t ring_bytes);

  // --- any thread

  /// False when the ring is full or the message is over max_message_bytes: ask `fits` which.
  bool claim(std::size_t message_bytes, Claim& claim);
  void commit(const Claim& claim);
  /// Gives a claim up: its space is skipped.
  void cancel(const Claim& claim);

  bool fits(std::size_t message_bytes) const {
    return message_bytes <= max_message_bytes(math_.bytes());
  }
  std::size_t ring_bytes() const { return math_.bytes(); }

  // --- the engine only

  /// Publishes every frame of the longest committed prefix, with rounds from `next` on, which it
  /// moves. Returns how many messages.
  std::uint64_t publish(Round& next);
  Position published() const { return published_; }
  /// Something is claimed that is not published yet.
  bool pending() const { return tail_.load(std::memory_order_acquire) != published_; }

  /// Everything below `position` has been delivered by all: its space may be claimed again.
  void release(Position position) {
    limit_.store(position + math_.bytes(), std::memory_order_release);
  }
  /// Bytes that can still be claimed; padding may take some of them.
  std::uint64_t free_bytes() const {
    return limit_.load(std::memory_order_relaxed) - tail_.load(std::memory_order_relaxed);
  }

  const fabric::Memory& memory() const { return memory_; }

 private:
  RingWriter(fabric::Memory memory, std::size_t ring_bytes);

  std::atomic<std::uint32_t>& committed(Position frame) {
    return commits_[math_.offset(frame) / frame_alignment];
  }
  FrameHeader* header(Position frame) {
    return reinterpret_cast<FrameHeader*>(memory_.data() + math_.offset(frame));
  }

  fabric::Memory memory_;
  RingMath math_;
  std::unique_ptr<std::atomic<std::uint32_t>[]> commits_;  // one for each possible frame start
  alignas(64) std::atomic<Position> tail_{0};
  alignas(64) std::atomic<Position> limit_;
  alignas(64) Position published_ = 0;
};

}  // namespace squall::mirror
