#pragma once
// The writing end of a ring. Any thread claims space (compare-and-swap on a tail private to this
// node), fills it, and commits it in a private log; only the engine publishes: the longest
// committed prefix, numbering the frames as it goes. Commits are in the log and not in the ring, so
// bytes of an earlier lap are never taken for one.
//
// The thread that turns the engine claims from a stretch of its own that it takes from the tail now
// and then: an atomic operation for each message would wait for every store before it, and those
// wait for cache lines that the peers have taken.
//
// It outlives views, and between two of them it can go on in other memory (ring_memory.h).

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>

#include "core/base/bytes.h"
#include "core/base/copy.h"
#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/base/ring_math.h"
#include "core/fabric/memory.h"
#include "core/mirror/frame.h"
#include "core/mirror/frame_log.h"
#include "core/mirror/ring_memory.h"

namespace squall::mirror {

/// Asks for a cache line that will be stored to. In assembler, since the compiler's builtin asks to
/// read it unless it may compile for newer processors; old ones take this for a nop.
inline void prefetch_to_write(const std::byte* line) {
#if defined(__x86_64__)
  asm volatile("prefetchw %0" : : "m"(*line));
#else
  __builtin_prefetch(line, 1);
#endif
}

class RingWriter {
 public:
  struct Claim {
    std::byte* message = nullptr;
    Position frame = 0;
    std::uint32_t message_bytes = 0;
  };

  /// `ring_bytes` is a power of two from min_ring_bytes to max_ring_bytes.
  static Result<std::unique_ptr<RingWriter>> create(std::size_t ring_bytes);

  // --- any thread

  /// False when the ring is full or the message is over max_message_bytes: ask `fits` which.
  bool claim(std::size_t message_bytes, Claim& claim);
  void commit(const Claim& claim) { log_.commit(claim.frame, {claim.message_bytes}); }
  /// Commits it as the frame of a large object: it keeps its place, but is published only when
  /// `pass_objects` allows it, and with it all that comes behind.
  void commit_object(const Claim& claim);
  /// Gives a claim up: its space is skipped.
  void cancel(const Claim& claim);

  bool fits(std::size_t message_bytes) const {
    return message_bytes <= max_message_bytes(math_.bytes());
  }
  std::size_t ring_bytes() const { return math_.bytes(); }

  // --- the thread that turns the engine

  /// The same as `claim`, without an atomic operation for most messages.
  bool claim_here(std::size_t message_bytes, Claim& claim);

  /// Claim, copy and commit in one. Hot: also numbers the frame, so that a publication of nothing
  /// but such frames need not walk them.
  bool append_here(Bytes message) {
    std::byte* const place = append_place(message.size());
    if (place == nullptr) [[unlikely]]
      return false;
    copy_message(place, message.data(), message.size());
    return true;
  }
  /// The same of a word and what is behind it, which was written a moment ago.
  bool append_here(std::uint64_t head, Bytes tail) {
    std::byte* const place = append_place(sizeof head + tail.size());
    if (place == nullptr) [[unlikely]]
      return false;
    store_word(place, head);
    copy_words(place + sizeof head, tail.data(), tail.size());
    return true;
  }

  /// What is claimed next, on any thread, lies behind all that was appended here.
  void end_stretch() { close_stretch(); }
  /// Objects whose frames lie below this position may be published. Views begin anew: none.
  void pass_objects(Position below) { objects_passed_ = below; }
  /// The last publication ended before an object that may not be published yet.
  bool held_up() const { return held_up_; }

  /// Behind the last frame that was claimed or appended here.
  Position end_here() const { return stretch_begin_; }

  /// Publishes every frame of the longest committed prefix, with rounds from `next` on, which it
  /// moves. Returns how many messages.
  std::uint64_t publish(Round& next);
  /// For the next view: what was published with rounds from `first_lost` on counts as not
  /// published. It will be published again, together with what came since, with rounds from 0 on;
  /// whoever claimed, appended or committed meanwhile notices nothing. Peers must read the ring's
  /// old contents no more, except below `first_lost`.
  void rewind(Round first_lost);
  /// After `rewind`, when a peer that has not cut its mirrors may read on in the ring's memory: the
  /// ring goes on in new memory, which the next view's peers must be shown, and what such a peer
  /// reads stays as it was. Who claims or commits meanwhile notices nothing. Code::io when the host
  /// has no memory: the ring must not be used any more.
  Result<> renew();
  /// The next publication will most likely begin with this round.
  void plan(Round next) {
    if (appended_ == 0) planned_ = next;
  }
  Position published() const { return published_; }
  /// What the next message to be published is numbered; rewinding takes numbers back, too.
  MessageNumber next_number() const { return next_number_; }
  /// While it stays the same nothing more is claimed. From any thread, and only one cache line.
  RingTail tail() const { return tail_.load(std::memory_order_acquire); }
  /// Something is claimed that is not published yet.
  bool pending() const { return position_of(tail_.load(std::memory_order_acquire)) != published_; }
  /// Bytes that are claimed and not published, with headers and padding.
  std::uint64_t waiting() const {
    const Position tail = position_of(tail_.load(std::memory_order_acquire));
    // The rest of the stretch is handed out to nobody.
    return (tail == stretch_end_ ? stretch_begin_ : tail) - published_;
  }

  /// Everything below `position` has been delivered by all: its space may be claimed again.
  void release(Position position) {
    if (!memory_.current()) return;
    limit_.store(position + math_.bytes(), std::memory_order_release);
  }
  /// Bytes that can still be claimed; padding may take some of them.
  std::uint64_t free_bytes() const {
    return limit_.load(std::memory_order_relaxed) -
           position_of(tail_.load(std::memory_order_relaxed));
  }

  /// What peers are to see; another one after `renew`.
  const fabric::Memory& memory() const { return memory_.shown(); }
  /// What the reader of this ring at its owner goes by.
  FrameLog& log() { return log_; }

 private:
  RingWriter(std::unique_ptr<fabric::Memory> memory, std::size_t ring_bytes);

  /// Some of the ring's space, and the memory in which it was claimed.
  struct Space {
    Position begin = 0;
    Position end = 0;
    std::byte* memory = nullptr;
  };

  FrameHeader* header(std::byte* memory, Position frame) const {
    return reinterpret_cast<FrameHeader*>(memory + math_.offset(frame));
  }
  /// Of a published frame, or one that has been brought to where peers will see it.
  FrameHeader* shown_header(Position frame) const { return header(memory_.shown_data(), frame); }
  /// Peers have taken the ring's cache lines. A store that misses holds up every store behind it,
  /// and a message has so many that the processor's queue for them holds two or three messages; so
  /// the lines are asked for some messages earlier. Only those in the stretch: what lies beyond it
  /// peers may still be reading. Two lines a message, which is all of them for small ones; copies
  /// of large ones are few wide stores, of which the queue holds enough.
  void prefetch(Position at) {
    for (const Position line : {at, at + cache_line_bytes})
      prefetch_to_write(stretch_memory_ + math_.offset(std::min(line, stretch_end_ - 1)));
  }
  /// Where the next message goes: it counts as appended, and is to be written before anything is
  /// published. nullptr: there is no room.
  std::byte* append_place(std::size_t message_bytes) {
    const std::size_t size = frame_bytes(message_bytes);
    if (stretch_begin_ + size > stretch_end_ && !next_stretch(message_bytes)) [[unlikely]]
      return nullptr;
    prefetch(stretch_begin_ + prefetch_ahead);
    const auto bytes = static_cast<std::uint32_t>(message_bytes);
    FrameHeader* const mine = header(stretch_memory_, stretch_begin_);
    *mine = {bytes, FrameKind::message, planned_ + appended_++};
    log_.append(stretch_begin_, bytes);
    appended_end_ = stretch_begin_ += size;
    return reinterpret_cast<std::byte*>(mine + 1);
  }
  bool next_stretch(std::size_t message_bytes);
  bool take(std::size_t least, std::size_t most, Space& space);
  void fill(std::byte* memory, Position frame, std::size_t message_bytes, Claim& claim);
  void pad(FrameHeader* frame, Position begin, Position end);
  void close_stretch();
  bool publish_next(Round& next);

  static constexpr std::size_t cache_line_bytes = 64;
  static constexpr std::size_t prefetch_ahead = 1024;

  RingMemory memory_;
  RingMath math_;
  FrameLog log_;
  alignas(64) std::atomic<RingTail> tail_{0};  // changed by exchanges only
  alignas(64) std::atomic<Position> limit_;
  // The engine's alone. The stretch: claimed from the tail, not yet handed out.
  alignas(64) Position published_ = 0;
  MessageNumber next_number_ = 0;
  Position objects_passed_ = 0;
  bool held_up_ = false;
  Position view_begin_ = 0;  // what was published when rounds last began at 0
  Position stretch_begin_ = 0;
  Position stretch_end_ = 0;
  std::byte* stretch_memory_ = nullptr;
  std::size_t stretch_bytes_;
  // The frames appended since the last publication, if they are all that came, without a gap:
  // numbered from `planned_` on, from `published_` to `appended_end_`.
  bool only_appended_ = true;
  Round planned_ = 0;
  std::uint64_t appended_ = 0;
  Position appended_end_ = 0;
};

}  // namespace squall::mirror
