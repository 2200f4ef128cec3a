#pragma once
// One node's endpoint on one fabric: peers, messages, and memory whose replicas its peers read.
// Virtual calls happen per batch, never per message. Errors of peers are events; nothing blocks
// but `wait`; one thread at a time uses a Fabric, except for `wake`.
//
// What every provider promises (test/conformance checks it on all of them):
//   1. pushes from A to B on one lane land in the order they were issued;
//   2. an aligned 8-byte word pushed in a range of at most `inline_bytes` is never seen torn,
//      whatever thread drives progress, and what was pushed before it on that lane is visible to
//      whoever loads it with acquire;
//   3. after a peer is lost (without `detects_loss`: after `disconnect`), no call blocks and
//      everything queued for it comes back as an event;
//   4. after `disconnect`, nothing that peer does changes what we read, and pointers to its
//      replicas stay valid and readable until `forget`;
//   5. a reader that waits is woken (but for `send_quietly`); an idle node uses next to no CPU.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/time.h"
#include "core/fabric/memory.h"

namespace squall::fabric {

/// A connection to a peer, numbered by this Fabric from 0 and never reused by it.
enum class PeerId : std::uint32_t {};

/// A region's name: chosen by its owner, unique per owner, never reused.
enum class RegionId : std::uint64_t {};

/// Handed in with a push or a message; comes back in `Event::completed`. 0 asks for no event.
using Token = std::uint64_t;
inline constexpr Token no_token = 0;

/// A secret that both ends of a connection learned from the rendezvous.
using Ticket = std::array<std::byte, 16>;

/// Order holds within a lane. What is in flight as bulk is bounded by the provider, so that
/// urgent traffic never waits long behind it.
enum class Lane : std::uint8_t { urgent, bulk };

struct Capabilities {
  bool maps = false;    ///< replicas are the owner's memory: a push is free per peer
  bool lends = false;   ///< some peers read the owner's memory in place; all do where it maps
  bool writes = false;  ///< large objects land without the target's CPU
  /// `wait` sleeps until woken. Otherwise it naps: for at most 1 ms while there was traffic in the
  /// last 100 ms, 10 ms for the rest of a second, then 20 ms.
  bool can_wait = false;
  bool detects_loss = false;  ///< a dead peer becomes a `lost` event by itself
  /// When a network fails, a peer may go on over another one; but not while a large object's region
  /// of its is imported over that which failed. So nobody keeps such a replica for later.
  bool moves = false;
  std::size_t max_message_bytes = 0;
  /// Pushes and messages of at most this many bytes are copied when they are queued; the source
  /// of longer ones is read at any time until their token comes back. At least 256: a longer push
  /// must come from memory that is not rewritten before that (ring bytes are not).
  std::size_t inline_bytes = 0;
};

struct Event {
  enum class Kind : std::uint8_t {
    connected,  ///< peer: both ends agreed on the ticket; pushes and messages may flow
    lost,       ///< peer: died, hung up, broke the protocol or never came; text says which.
                ///< Once per peer; call `disconnect` next. Tokens come back before or after it.
    attached,   ///< peer now has a replica of my `region` (also after it moved to another fabric):
                ///< push what it must know; the replica starts as zeros where memory is not mapped
    message,    ///< peer sent `bytes`, valid until the next poll
    completed,  ///< `token`'s source may be reused; `ok` is false if a peer was lost meanwhile
  };
  Kind kind{};
  bool ok = true;
  Lane lane = Lane::urgent;
  PeerId peer{};
  RegionId region{};
  Token token = no_token;
  Bytes bytes{};
  std::string_view text{};  ///< of `lost`: the reason, valid until the next poll
};

class Fabric {
 public:
  virtual ~Fabric() = default;

  virtual const Capabilities& capabilities() const = 0;
  /// The provider's configured name, for people ("shm", "tcp", "ofi:shm").
  virtual std::string_view name() const = 0;
  /// What peers hand to `connect`; opaque bytes of at most 512, carried by the rendezvous.
  virtual std::string address() const = 0;

  // --- peers

  /// Both ends call it with each other's address and the same ticket, in any order; who dials is
  /// the provider's business. Returns at once; `connected` or `lost` follows. An incoming
  /// connection whose ticket is not expected within a few seconds is dropped.
  virtual Result<PeerId> connect(std::string_view peer_address, const Ticket& ticket) = 0;
  /// Fences: on return nothing of that peer counts any more (promises 3 and 4). Idempotent.
  virtual void disconnect(PeerId peer) = 0;
  /// Ends the life of a disconnected peer's replicas: pointers from `import` dangle afterwards.
  virtual void forget(PeerId peer) = 0;

  // --- messages: reliable, ordered per lane, bounded

  /// Code::too_large over max_message_bytes, Code::would_block when the lane is full (poll, then
  /// try again), Code::lost when the peer is.
  virtual Result<> send(PeerId peer, Lane lane, Bytes message, Token token = no_token) = 0;
  /// The same, of at most `inline_bytes`, for what is early enough if the peer sees it when it
  /// turns the next time: it need not be woken. Where waking costs nothing extra it may be.
  virtual Result<> send_quietly(PeerId peer, Lane lane, Bytes message) {
    return send(peer, lane, message);
  }

  // --- memory: one writer (this node), replicas at the peers that import it

  /// Makes memory that I write visible under a name. `memory` must live until `conceal` or the
  /// end of this Fabric. Import requests that came before are served now.
  virtual Result<> expose(RegionId region, const Memory& memory) = 0;
  virtual void conceal(RegionId region) = 0;
  /// A replica of the first `bytes` of a peer's region: readable at once, zeros until the owner has
  /// exposed it and pushed (or, mapped, until the owner's memory takes its place at this address).
  /// The pointer is page-aligned. A region shorter than `bytes` loses the peer. A peer's imports
  /// attach in the order of its calls, as far as the owner has exposed the regions.
  virtual Result<const std::byte*> import(PeerId peer, RegionId region, std::size_t bytes) = 0;

  // --- large objects: replicas that a fence does not copy

  /// A replica of the first `bytes` of a peer's region that its owner writes no more once anyone
  /// reads it. As `import`, but
  ///  - not mapped: it lies in `landing` (Code::invalid if that is shorter than `bytes`), memory of
  ///    the caller's own that must live until `release` or `forget` and is not cleared. The regions
  ///    of several peers may land in one (each pushes other parts of it), and the caller may have
  ///    exposed it itself.
  ///  - mapped: `landing` is not used (nullptr is fine), and a fence leaves the replica as it is
  ///    instead of copying it.
  /// Importing the same region of the same peer again replaces the replica, and pointers to the old
  /// one dangle; every import makes its own `attached` at the owner. A name is imported with
  /// `import` or with this, never both: Code::invalid.
  virtual Result<const std::byte*> import_object(PeerId peer, RegionId region, std::size_t bytes,
                                                 Memory* landing) = 0;
  /// Ends a replica of `import_object`: pointers to it dangle, nothing lands in it any more, and
  /// its owner pushes no longer to this node. Only once nothing that the peer pushed there can be
  /// on its way (the caller has learned from it that all has come), or after `disconnect`. Nothing
  /// happens if there is no such replica.
  virtual void release(PeerId peer, RegionId region) = 0;

  /// Brings [offset, offset + bytes) of my region, as it is now, to every peer that imported it;
  /// leaves with `flush` at the latest. A push may overtake an unsent older push of the same
  /// range, never one of another range on its lane. Out of bounds: Code::invalid, nothing sent.
  virtual Result<> push(RegionId region, std::size_t offset, std::size_t bytes, Lane lane,
                        Token token = no_token) = 0;
  /// The same to one peer, as `attached` asks.
  virtual Result<> push_to(PeerId peer, RegionId region, std::size_t offset, std::size_t bytes,
                           Lane lane, Token token = no_token) = 0;

  // --- turning

  /// Everything queued leaves now, as far as the peers have room; the rest with later polls.
  virtual void flush() = 0;
  /// Makes progress: lands what arrived, fills `events`, returns how many. More may be pending
  /// when it returns events.size(). Never blocks.
  virtual std::size_t poll(std::span<Event> events) = 0;
  /// True if the last poll landed a push or a message, or made progress on queued work: a reason
  /// to look at the replicas and to poll again before sleeping. Of memory that is lent nobody can
  /// know.
  virtual bool progressed() const = 0;
  /// Where memory is lent: a message has come that no poll has told of. Cheap enough to spin on,
  /// and called where it is polled. Others do not know: false.
  virtual bool message_waits() const { return false; }

  /// Announces sleep: from now on, whatever a peer pushes or sends makes `fd` readable. Then poll
  /// and look at the replicas once more, since what came before the announcement wakes nobody;
  /// only then `wait`, or sleep on `fd`. Only `disarm` ends it, not `poll`.
  virtual void arm() = 0;
  virtual void disarm() = 0;
  /// Sleeps until something came since `arm`, `wake` was called, or `until`; may return early. Who
  /// slept on `fd` instead calls it with a time in the past, so that the fabric takes note.
  virtual void wait(Time until) = 0;
  /// The same beside a descriptor of the caller's own: true if that is readable. Without `can_wait`
  /// nobody looks at it.
  virtual bool wait_beside(int descriptor, Time until);
  /// From any thread: the current or the next `wait` returns.
  virtual void wake() = 0;
  /// One descriptor for epoll or poll(2), for embedders with a loop of their own; readable between
  /// `arm` and `disarm` when there is something. -1 without `can_wait`. Ask only if you sleep on
  /// it: from then on it is kept up to date, which may cost every message that comes a little.
  virtual int fd() const = 0;
};

}  // namespace squall::fabric
