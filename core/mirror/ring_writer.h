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
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
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
  ///
  /// What is hot here stores as little as it can, and calls nothing. Peers have taken the ring's
  /// cache lines, so its stores wait for them, and every other store, be it of a register to the
  /// stack, waits in the same short queue of the processor behind those.
  bool append_here(Bytes message) {
    std::byte* const place = append_place(message.size());
    if (place == nullptr) [[unlikely]]
      return false;
    copy_message(place, message.data(), message.size());
    return true;
  }
  /// The same of a short message for which there is room at hand. False: not one of those.
  bool append_short_here(Bytes message) {
    if (message.size() > most_short_bytes) return false;
    const std::size_t size = frame_bytes(message.size());
    if (stretch_begin_ + size > stretch_end_) return false;
    copy_short(append_in_stretch(message.size(), size), message.data(), message.size());
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
  /// When there is time: if what was published last was a short message by itself, the next one
  /// most likely will be, too. Room for it is claimed, and its lines are taken back.
  void prepare();
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
  /// Behind all that is claimed for a message: while it stays the same nothing more is. One cache
  /// line, unless a stretch is open, whose rest is handed out to nobody.
  Position claimed() const {
    const Position tail = position_of(tail_.load(std::memory_order_acquire));
    return open_ && tail == stretch_end_ ? stretch_begin_ : tail;
  }
  /// Something is claimed that is not published yet.
  bool pending() const { return claimed() != published_; }
  /// Bytes that are claimed and not published, with headers and padding.
  std::uint64_t waiting() const { return claimed() - published_; }

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
  /// Before a frame of `size` bytes is written where the stretch begins: takes back the cache lines
  /// of the next ones. A store to a line that a peer has waits for it, and so does every store
  /// behind that, so a stream of short messages would wait for each line by itself. Stores to many
  /// lines in a row, and nothing else, wait for all of them together: for a stream of 64 bytes that
  /// is twice as many messages (Zen 4; prefetchw does nothing there). What is stored is nothing:
  /// nobody reads the stretch yet.
  void own_lines(std::size_t size) {
    if (stretch_begin_ + least_owned > owned_) [[unlikely]]
      own_more_lines(size);
  }
  void own_more_lines(std::size_t size) {
    Position at = std::max(owned_, round_up(stretch_begin_ + size, cache_line_bytes));
    owned_ = at + owned_at_once;
    if (size > most_owned_for) return;
    for (const Position end = std::min(owned_, stretch_end_); at + cache_line_bytes <= end;
         at += cache_line_bytes)
      store_word(stretch_memory_ + math_.offset(at), 0);
  }
  /// Where the next message goes: it counts as appended, and is to be written before anything is
  /// published. nullptr: there is no room.
  std::byte* append_place(std::size_t message_bytes) {
    const std::size_t size = frame_bytes(message_bytes);
    if (stretch_begin_ + size > stretch_end_ && !next_stretch(message_bytes)) [[unlikely]]
      return nullptr;
    return append_in_stretch(message_bytes, size);
  }
  std::byte* append_in_stretch(std::size_t message_bytes, std::size_t size) {
    own_lines(size);
    const auto bytes = static_cast<std::uint32_t>(message_bytes);
    std::byte* const mine = stretch_memory_ + math_.offset(stretch_begin_);
    const std::array<std::uint32_t, 2> words{bytes, static_cast<std::uint32_t>(FrameKind::message)};
    store_word(mine, std::bit_cast<std::uint64_t>(words));
    store_word(mine + offsetof(FrameHeader, round), planned_ + appended_++);
    log_.append(stretch_begin_, bytes);
    stretch_begin_ += size;
    return mine + sizeof(FrameHeader);
  }
  bool next_stretch(std::size_t message_bytes);
  bool take(std::size_t least, std::size_t most, Space& space);
  void fill(std::byte* memory, Position frame, std::size_t message_bytes, Claim& claim);
  void pad(FrameHeader* frame, Position begin, Position end);
  void close_stretch();
  bool publish_next(Round& next);

  static constexpr std::size_t cache_line_bytes = 64;
  static constexpr std::size_t owned_at_once = 2048, least_owned = 512;
  // What begins a publication is as a rule a message by itself, which does not pay for others'
  // lines, nor waits for more than its own (`prepare`).
  static constexpr std::size_t not_yet_streaming = 1024, lone_bytes = 256;
  // Copies of long messages are stores to many lines in a row themselves.
  static constexpr std::size_t most_owned_for = 1024 + sizeof(FrameHeader);

  RingMemory memory_;
  RingMath math_;
  FrameLog log_;
  alignas(64) std::atomic<RingTail> tail_{0};  // changed by exchanges only
  bool open_ = false;                          // the stretch: the engine's, beside what it asks for
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
  Position owned_ = 0;  // this core has the lines below it, or will not be asked to
  std::size_t stretch_bytes_;
  // The frames appended since the last publication, if they are all that came, without a gap:
  // numbered from `planned_` on, from `published_` to `appended_end_`.
  bool only_appended_ = true;
  Round planned_ = 0;
  std::uint64_t appended_ = 0;
  Position appended_end_ = 0;  // as of when the stretch was closed
  bool lone_ = false;          // the last publication was one short message, or few
};

}  // namespace squall::mirror
