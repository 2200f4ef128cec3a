#pragma once
// The memory of a ring, which can be replaced while other threads hold claims in it.
//
// What for. Where a fabric maps memory, a member that was stopped in the middle of a delivery,
// expelled and continued has fenced nothing: it reads on in the pages that it has mapped. So after
// an expulsion the ring goes on in new memory, and the old pages stay as they were.
//
// How. A claim lies for good where it was made: its owner has the address, and may take forever. So
// the lowest bit of the ring's tail (positions are multiples of 16) says in which of two memories
// claims lie, and the compare-and-swap that takes space also tells where that is. Turning the bit
// draws a line at one position: what was claimed below it lies in the older memory, what is claimed
// from there on in the newer. Peers are shown the newer; what is below the line is copied to it by
// the engine, as it is published. The older one goes when all below the line is published.
//
// Why the old pages stay as they were. Let E be left behind with memory M; M was shown when E's
// view ended, and claims had the limit L (the ring's). E reads what was published in its view and
// its own row did not acknowledge, and L is at most a ring beyond that row's acknowledgement. Into
// M are written, from then on, claims only: publishing writes its rounds to what is shown. They
// were made in M either before the line, when the limit was L, or while M had to stay the newer
// (below), when the limit does not rise. So they end at or below L, and begin behind what was
// published: they share no byte with what E reads, however long they are held.
//
// Why no store is lost. Who claims finds out where in the same atomic operation. What it stores
// there comes before its commit (release), and the engine copies it after having seen the commit
// (acquire), from the memory that the line tells; then it is published.
//
// A claim may be held across several expulsions. When the older memory is still in use as another
// is wanted, that one is shown, but waits to be claimed in: claims go on in the present newer one,
// and until the bit can be turned, the limit must not rise (`current`). So there are at most three.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/base/error.h"
#include "core/base/ring_math.h"
#include "core/fabric/memory.h"

namespace squall::mirror {

/// A position, and in its lowest bit where claims from there on lie.
using RingTail = std::uint64_t;
constexpr Position position_of(RingTail tail) {
  return tail & ~RingTail{1};
}
/// The same memory, another position.
constexpr RingTail moved_to(Position position, RingTail tail) {
  return position | (tail & 1);
}

class RingMemory {
 public:
  RingMemory(std::unique_ptr<fabric::Memory> memory, std::size_t ring_bytes);

  // --- any thread

  /// Where what was claimed by moving the tail from `tail` lies; the move was an acquire.
  std::byte* claimed_in(RingTail tail) const { return bases_[tail & 1]; }

  // --- the engine

  /// What the tail is when it is at this position.
  RingTail tail_at(Position position) const { return position | newer_; }
  /// What peers see: all that is published in this view lies in it.
  const fabric::Memory& shown() const { return *shown_; }
  std::byte* shown_data() const { return shown_data_; }

  /// Goes on in new memory. What was published once and will be again, from `from` on, is copied at
  /// once. Code::io when there is no memory: then nothing has changed.
  Result<> renew(std::atomic<RingTail>& tail, Position from);

  /// All that is claimed lies in what is shown.
  bool settled() const { return settled_; }
  /// The limit of claims may rise.
  bool current() const { return waiting_ == nullptr; }

  /// Before it is published: that committed frame, or run of them, is brought to what is shown.
  void bring(Position begin, Position end) {
    if (!settled_) [[unlikely]]
      bring_over(begin, end);
  }
  /// All up to here is published.
  void published(Position end) { brought_ = std::max(brought_, end); }
  /// Gives up the older memory if all in it is published, and goes on with one that waits for that.
  void settle(std::atomic<RingTail>& tail);

 private:
  void bring_over(Position begin, Position end);
  void copy(std::byte* to, const std::byte* from, Position begin, Position end) const;

  RingMath math_;
  std::byte* bases_[2] = {};                   // of those below
  std::unique_ptr<fabric::Memory> claims_[2];  // by the tail's bit
  std::unique_ptr<fabric::Memory> waiting_;    // shown, but not claimed in yet
  const fabric::Memory* shown_;
  std::byte* shown_data_;
  std::size_t newer_ = 0;  // the tail's bit
  Position line_ = 0;      // where it was turned last
  // What this view has published, or one before and this one will publish again, lies in what is
  // shown up to here.
  Position brought_ = 0;
  bool settled_ = true;
};

}  // namespace squall::mirror
