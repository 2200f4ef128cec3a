#pragma once
// The owner's private record of the frames in its ring: what is committed, how long each frame is,
// which rounds it got. Peers take the ring's cache lines away as they read them, and getting one
// back costs more than the rest of a message's way; so the owner delivers its own messages from
// here, and never reads a header that it has published.
//
// A frame that any thread may commit has a word of its own. Frames that the turning thread appends
// are counted in runs instead, frames of one size side by side: less to write, to read and to keep
// in the cache. Either lives from its commit until the owner has taken it as its next message.

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
    FrameKind kind = FrameKind::message;
  };

  explicit FrameLog(std::size_t ring_bytes)
      : math_(ring_bytes),
        words_(std::make_unique<std::atomic<std::uint32_t>[]>(ring_bytes / frame_alignment)),
        runs_(max_runs),
        batches_(max_batches) {}
  FrameLog(const FrameLog&) = delete;
  FrameLog& operator=(const FrameLog&) = delete;

  // --- any thread

  void commit(Position at, Frame frame) {
    // Never 0: that says that nothing is committed here.
    const std::uint32_t kind = frame.kind == FrameKind::padding  ? padding_bit
                               : frame.kind == FrameKind::object ? object_bit
                                                                 : 0;
    word(at).store((frame.bytes + 1) | kind, std::memory_order_release);
  }

  // --- the engine only

  /// Messages of one size side by side, all of them committed. They are published together, so
  /// their rounds follow each other.
  struct Run {
    Position begin = 0;
    std::uint32_t bytes = 0;  ///< of each message
    std::uint32_t count = 0;

    Position end() const { return begin + count * frame_bytes(bytes); }
  };

  /// Commits a frame that lies right behind the last one appended, unless `end_run` was called in
  /// between. Hot.
  void append(Position at, std::uint32_t bytes) {
    if (bytes == open_->bytes) [[likely]]
      ++open_->count;
    else
      begin_run(at, bytes);
  }
  /// The next frame to be appended may lie elsewhere, or be published later.
  void end_run() { open_ = &none_; }

  /// The run that begins here, if there is one that is not published yet.
  const Run* unpublished_run(Position at) const {
    if (published_runs_ == last_run_) return nullptr;
    const Run& run = runs_[published_runs_ % max_runs];
    return run.begin == at ? &run : nullptr;
  }
  /// It is published now.
  void publish_run() { ++published_runs_; }
  /// Everything below this is published.
  void publish_runs_below(Position end) {
    while (published_runs_ != last_run_ && runs_[published_runs_ % max_runs].begin < end)
      ++published_runs_;
  }

  /// False if nothing is committed at this position.
  bool look(Position at, Frame& frame) const {
    const std::uint32_t value = word(at).load(std::memory_order_acquire);
    if (value == 0) return false;
    frame.bytes = (value & ~(padding_bit | object_bit)) - 1;
    frame.kind = (value & padding_bit) != 0  ? FrameKind::padding
                 : (value & object_bit) != 0 ? FrameKind::object
                                             : FrameKind::message;
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

  /// Nothing is published any more, and rounds start at 0: whoever rewinds a ring commits again,
  /// frame by frame, what had been published or taken.
  void restart() {
    first_batch_ = last_batch_ = next_round_ = taken_round_ = 0;
    first_run_ = published_runs_;
  }

  /// Takes the published run that begins here, if there is one: once the rounds of all of its
  /// messages are taken, the next frame is at its end.
  bool take_run(Position at, Run& run) {
    if (first_run_ == published_runs_ || runs_[first_run_ % max_runs].begin != at) return false;
    run = runs_[first_run_++ % max_runs];
    return true;
  }
  /// Takes the published frame at this position; its place may be committed again afterwards.
  Frame take(Position at) {
    Frame frame;
    look(at, frame);
    word(at).store(0, std::memory_order_relaxed);
    return frame;
  }
  /// The round of the message just taken from `at`, the first of `count` in a run; once for each,
  /// in order.
  Round take_rounds(Position at, std::uint32_t count) {
    // Several begin at one position where a publication found nothing committed.
    while (first_batch_ != last_batch_ && at >= batches_[first_batch_ % max_batches].at)
      taken_round_ = batches_[first_batch_++ % max_batches].round;
    const Round first = taken_round_;
    taken_round_ += count;
    return first;
  }

 private:
  struct Batch {
    Position at = 0;
    Round round = 0;
  };
  static constexpr std::uint32_t padding_bit = 1u << 31, object_bit = 1u << 30;
  // Publications whose rounds jumped and that are not delivered yet; more of them wait.
  static constexpr std::size_t max_batches = 4096;
  // Runs that are not taken yet; when there are more, frames get words.
  static constexpr std::size_t max_runs = 1024;
  static constexpr std::uint32_t no_bytes = UINT32_MAX;  // of no message

  std::atomic<std::uint32_t>& word(Position at) const {
    return words_[math_.offset(at) / frame_alignment];
  }

  void begin_run(Position at, std::uint32_t bytes) {
    if (last_run_ - first_run_ == max_runs) {
      end_run();
      return commit(at, {bytes});
    }
    open_ = &runs_[last_run_++ % max_runs];
    *open_ = {at, bytes, 1};
  }

  RingMath math_;
  std::unique_ptr<std::atomic<std::uint32_t>[]> words_;  // one for each possible frame start
  // Of runs_: taken before first_run_, published before published_runs_, there before last_run_.
  std::vector<Run> runs_;
  std::uint64_t first_run_ = 0;
  std::uint64_t published_runs_ = 0;
  std::uint64_t last_run_ = 0;
  Run none_{0, no_bytes, 0};
  Run* open_ = &none_;  // the run that grows, or none_
  std::vector<Batch> batches_;
  std::uint64_t first_batch_ = 0;
  std::uint64_t last_batch_ = 0;
  Round next_round_ = 0;
  Round taken_round_ = 0;
};

static_assert(max_ring_bytes <= (std::uint64_t{1} << 30), "a length and two bits fit a word");

}  // namespace squall::mirror
