#pragma once
// One connection to one peer: its socket, both link segments with their message rings, the
// doorbells, and the replicas of the peer's regions. It knows mechanics only; what a packet means
// and what becomes an event is the fabric's business. One thread.

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "core/fabric/fabric.h"
#include "core/fabric/memory.h"
#include "providers/shm/shm_door.h"
#include "providers/shm/shm_message.h"
#include "providers/shm/shm_region.h"
#include "providers/shm/shm_socket.h"
#include "providers/shm/shm_wait.h"
#include "providers/shm/shm_wire.h"

namespace squall::shm {

/// A replica that this node asked for.
struct Import {
  fabric::RegionId region{};
  std::size_t asked_bytes = 0;
  bool object = false;              ///< not copied by a fence
  std::uint32_t unasked_wants = 0;  ///< to be sent when the peer is up
  Replica replica;
};

/// What a peer may have of a region of mine.
struct Grant {
  std::uint32_t unattached = 0;  ///< grants that it has not answered
  bool live = false;             ///< neither concealed nor released
};

class Peer {
 public:
  enum class State : unsigned char {
    dialling,  ///< we connect, as soon as there is room in its queue
    awaiting,  ///< it connects
    greeted,   ///< we connected and said hello
    up,        ///< both know each other
    draining,  ///< it hung up; what it sent before is still taken
    lost,      ///< `lost` was queued; nothing works any more
    closed,    ///< disconnected: only the frozen replicas remain
  };

  Peer(fabric::PeerId own_id, std::string_view peer_address, const fabric::Ticket& shared_ticket);

  // --- becoming a pair

  /// Makes this side's segment and doorbell, and sends them with a hello over `socket`.
  Result<> greet(Waiter& waiter, ReadyTag tag);
  /// Takes the other side's from its hello, and starts the rings.
  Result<> adopt(Packet& hello);
  /// Closes everything but the replicas, which freeze.
  void close(Waiter& waiter);
  /// The socket and doorbells only; the rings can still be read.
  void hang_up(Waiter& waiter);

  // --- control packets

  /// Sends now, or keeps it until there is room. Descriptors are lent for the call.
  void post(Waiter& waiter, const Control& control, int fd = -1);
  /// The socket has room again.
  void post_rest(Waiter& waiter);

  // --- sleep

  /// Hot: one load. Rings if the peer sleeps and was not rung in this sleep. The caller has fenced
  /// after its stores.
  void ring_if_asleep() {
    const std::uint64_t word = sleeping->load(std::memory_order_relaxed);
    if ((word & 1) != 0 && word != rung_) [[unlikely]]
      ring_now(word);
  }

  Import* find_import(fabric::RegionId region);
  void drop_import(fabric::RegionId region);
  /// The peer reads no more of my region: what is to come of it counts no more.
  void end_grant(fabric::RegionId region);
  bool waits_for_memory() const;

  const fabric::PeerId id;
  const std::string address;
  const fabric::Ticket ticket;
  State state = State::dialling;
  Time deadline{};  ///< while connecting
  ReadyTag tag = 0;
  Fd socket;

  // The rings, by lane; valid while up or draining.
  MessageSender senders[lane_count];
  MessageReceiver receivers[lane_count];
  bool blocked[lane_count] = {};  ///< a send found the lane full
  bool must_ring = false;         ///< messages were sent since the last flush

  std::deque<Import> imports;  ///< what I read of it, in the order it was asked for
  std::vector<Control> wants;  ///< what it asked for and I have not exposed yet
  std::map<fabric::RegionId, Grant> granted;
  std::map<fabric::RegionId, std::uint32_t> awaited;  ///< grants of it that have not come
  std::string drain_reason;

 private:
  void ring_now(std::uint64_t word);

  struct Unsent {
    std::vector<std::byte> bytes;
    Fd fd;
  };

  const std::atomic<std::uint64_t>* sleeping = nullptr;
  std::uint64_t rung_ = 0;
  Fd my_doorbell_;     ///< the peer rings it
  Fd their_doorbell_;  ///< I ring it
  fabric::Memory my_link_;
  Replica their_link_;
  Replica their_control_;
  std::deque<Unsent> unsent_;
};

}  // namespace squall::shm
