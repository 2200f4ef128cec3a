#pragma once
// The reading end of a ring: walks the frames of a mapped peer's memory or of a replica, or, by the
// owner's log, of the ring's own. A peer's header is taken once and checked before it is used.

#include <cstring>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/ring_math.h"
#include "core/mirror/frame.h"
#include "core/mirror/frame_log.h"

namespace squall::mirror {

/// No frame: later than every round.
inline constexpr Round no_round = UINT64_MAX;

class RingReader {
 public:
  /// Begins at the frame at `start`. `log`: of the ring's writer, if the ring is of this node.
  RingReader(const std::byte* ring, std::size_t ring_bytes, FrameLog* log = nullptr,
             Position start = 0)
      : ring_(ring), math_(ring_bytes), log_(log), next_(start), after_(start), published_(start) {}

  /// Frames below `published` may be read now; the caller has loaded it with acquire. False if it
  /// cannot be right: it went back, ran ahead by more than a ring, or is not aligned.
  bool extend(Position published) {
    if (published < published_ || published - next_ > math_.bytes() ||
        published % frame_alignment != 0)
      return false;
    published_ = published;
    return true;
  }

  /// Takes the next message's header, past padding; true while none of them is damaged. Afterwards
  /// `head_round` is its round, or no_round if nothing more is published.
  bool advance() {
    if (run_left_ != 0) {
      --run_left_;
      next_ = after_;
      after_ += run_frame_bytes_;
      ++head_round_;
      head_ = {head_.data() + run_frame_bytes_, head_.size()};
      return true;
    }
    next_ = after_;
    head_round_ = no_round;
    if (log_ != nullptr) return advance_by_log();
    while (next_ != published_) {
      FrameHeader header;
      std::memcpy(&header, ring_ + math_.offset(next_), sizeof(header));
      const std::uint64_t size = frame_bytes(header.bytes);
      if (size > published_ - next_ || size > math_.until_end(next_)) return false;
      after_ = next_ + size;
      if (header.kind == FrameKind::message || header.kind == FrameKind::object) {
        if (header.round < least_round_ || header.round == no_round) return false;
        least_round_ = header.round + 1;
        head_round_ = header.round;
        head_is_object_ = header.kind == FrameKind::object;
        head_ = {ring_ + math_.offset(next_) + sizeof(FrameHeader), header.bytes};
        return true;
      }
      if (header.kind != FrameKind::padding) return false;
      next_ = after_;
    }
    return true;
  }

  Round head_round() const { return head_round_; }
  Bytes head() const { return head_; }
  /// The head names a large object instead of being the message.
  bool head_is_object() const { return head_is_object_; }
  bool exhausted() const { return after_ == published_; }
  /// Everything below has been walked past; the head, if there is one, starts here.
  Position consumed() const { return head_round_ == no_round ? after_ : next_; }

 private:
  bool advance_by_log() {
    while (next_ != published_) {
      if (FrameLog::Run run; log_->take_run(next_, run)) {
        run_frame_bytes_ = frame_bytes(run.bytes);
        run_left_ = run.count - 1;
        after_ = next_ + run_frame_bytes_;
        head_round_ = log_->take_rounds(next_, run.count);
        head_is_object_ = false;
        head_ = {ring_ + math_.offset(next_) + sizeof(FrameHeader), run.bytes};
        return true;
      }
      const FrameLog::Frame frame = log_->take(next_);
      after_ = next_ + frame_bytes(frame.bytes);
      if (frame.kind != FrameKind::padding) {
        head_round_ = log_->take_rounds(next_, 1);
        head_is_object_ = frame.kind == FrameKind::object;
        head_ = {ring_ + math_.offset(next_) + sizeof(FrameHeader), frame.bytes};
        return true;
      }
      next_ = after_;
    }
    return true;
  }

  const std::byte* ring_;
  RingMath math_;
  FrameLog* log_;
  Position next_ = 0;   // of the head
  Position after_ = 0;  // behind the head
  Position published_ = 0;
  Round head_round_ = no_round;
  Round least_round_ = 0;  // rounds strictly increase
  Bytes head_;
  bool head_is_object_ = false;
  // Of the own ring: messages behind the head that are like it, one frame further each.
  std::uint32_t run_left_ = 0;
  std::uint64_t run_frame_bytes_ = 0;
};

}  // namespace squall::mirror
