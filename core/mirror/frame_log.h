#pragma once
// The owner's private record of the frames in its ring: what is committed, how long each frame is,
// which rounds it got. Peers take the ring's cache lines away as they read them, and getting one
// back costs more than the rest of a message's way; so the owner delivers its own messages from
// here, and never reads a header that it has published.
//
// An entry lives from its commit (any thread) until the owner has taken it as its next message.

#include <atomic>
#include <memory>
#include <vector>

#include "core/base/ids.h"
#include "core/base/ring_math.h"
#include "core/mirror/frame.h"

namespace squall::mirror {

class FrameLog {
 public:
  struct Frame {
    std::uint32_t bytes = 0;  ///< of the message, without header and padding
    bool padding = false;
  };

  explicit FrameLog(std::size_t ring_bytes)
      : math_(ring_bytes),
        words_(std::make_unique<std::atomic<std::uint32_t>[]>(ring_bytes / frame_alignment)),
        batches_(max_batches) {}

  // --- any thread

  void commit(Position at, Frame frame) {
    // Never 0: that says that nothing is committed here.
    word(at).store((frame.bytes + 1) | (frame.padding ? padding_bit : 0),
                   std::memory_order_release);
  }

  // --- the engine only

  /// False if nothing is committed at this position.
  bool look(Position at, Frame& frame) const {
    const std::uint32_t value = word(at).load(std::memory_order_acquire);
    if (value == 0) return false;
    frame = {(value & ~padding_bit) - 1, (value & padding_bit) != 0};
    return true;
  }

  /// Messages from `at` on got rounds from `round` on. False if that must wait until more of the
  /// earlier ones are taken; never for rounds that go on where the last batch ended.
  bool begin_batch(Position at, Round round) {
    if (round == next_round_) return true;
    if (last_batch_ - first_batch_ == max_batches) return false;
    batches_[last_batch_++ % max_batches] = {at, round};
    next_round_ = round;
    return true;
  }
  void end_batch(Round next) { next_round_ = next; }

  /// Nothing is published any more, and rounds start at 0: whoever rewinds a ring commits again
  /// what had been taken.
  void restart() { first_batch_ = last_batch_ = next_round_ = taken_round_ = 0; }

  /// Takes the published frame at this position; its place may be committed again afterwards.
  Frame take(Position at) {
    Frame frame;
    look(at, frame);
    word(at).store(0, std::memory_order_relaxed);
    return frame;
  }
  /// The round of the message just taken from `at`; once for each, in order.
  Round take_round(Position at) {
    // Several begin at one position where a publication found nothing committed.
    while (first_batch_ != last_batch_ && at >= batches_[first_batch_ % max_batches].at)
      taken_round_ = batches_[first_batch_++ % max_batches].round;
    return taken_round_++;
  }

 private:
  struct Batch {
    Position at = 0;
    Round round = 0;
  };
  static constexpr std::uint32_t padding_bit = 1u << 31;
  // Publications whose rounds jumped and that are not delivered yet; more of them wait.
  static constexpr std::size_t max_batches = 4096;

  std::atomic<std::uint32_t>& word(Position at) const {
    return words_[math_.offset(at) / frame_alignment];
  }

  RingMath math_;
  std::unique_ptr<std::atomic<std::uint32_t>[]> words_;  // one for each possible frame start
  std::vector<Batch> batches_;
  std::uint64_t first_batch_ = 0;
  std::uint64_t last_batch_ = 0;
  Round next_round_ = 0;
  Round taken_round_ = 0;
};

static_assert(max_ring_bytes < (std::uint64_t{1} << 31), "a length and the padding bit fit a word");

}  // namespace squall::mirror
