#pragma once
// The Fabric over shared memory. A node's exposed memory is mapped read-only by its peers, so that
// pushing is a store, and `flush` a fence and one load per peer. Messages go through rings of the
// same kind. Sockets serve introductions and death only; a busy poll looks at them about once a
// millisecond.

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "core/fabric/fabric.h"
#include "providers/shm/shm_door.h"
#include "providers/shm/shm_peer.h"
#include "providers/shm/shm_wait.h"

namespace squall::shm {

class ShmFabric final : public fabric::Fabric {
 public:
  static Result<std::unique_ptr<fabric::Fabric>> open(const std::string& node_name);
  ~ShmFabric() override;

  const fabric::Capabilities& capabilities() const override { return capabilities_; }
  std::string_view name() const override { return "shm"; }
  std::string address() const override { return address_; }

  Result<fabric::PeerId> connect(std::string_view peer_address,
                                 const fabric::Ticket& ticket) override;
  void disconnect(fabric::PeerId peer) override;
  void forget(fabric::PeerId peer) override;

  Result<> send(fabric::PeerId peer, fabric::Lane lane, Bytes message,
                fabric::Token token) override;
  Result<> send_quietly(fabric::PeerId peer, fabric::Lane lane, Bytes message) override;

  Result<> expose(fabric::RegionId region, const fabric::Memory& memory) override;
  void conceal(fabric::RegionId region) override;
  Result<const std::byte*> import(fabric::PeerId peer, fabric::RegionId region,
                                  std::size_t bytes) override;
  Result<const std::byte*> import_object(fabric::PeerId peer, fabric::RegionId region,
                                         std::size_t bytes, fabric::Memory* landing) override;
  void release(fabric::PeerId peer, fabric::RegionId region) override;
  Result<> push(fabric::RegionId region, std::size_t offset, std::size_t bytes, fabric::Lane lane,
                fabric::Token token) override;
  Result<> push_to(fabric::PeerId peer, fabric::RegionId region, std::size_t offset,
                   std::size_t bytes, fabric::Lane lane, fabric::Token token) override;

  void flush() override;
  std::size_t poll(std::span<fabric::Event> events) override;
  bool progressed() const override { return progressed_; }
  bool message_waits() const override;

  void arm() override { waiter_.arm(); }
  void disarm() override { waiter_.disarm(); }
  void wait(Time until) override;
  void wake() override { waiter_.wake(); }
  int fd() const override { return waiter_.fd(); }

 private:
  struct Exposed {
    fabric::RegionId id{};
    int fd = -1;  ///< lent by the Memory
    std::size_t bytes = 0;
  };
  struct Completion {
    fabric::Token token = fabric::no_token;
    fabric::Lane lane{};
    fabric::RegionId region{};
    fabric::PeerId peer{};
    bool one_peer = false;
    std::uint64_t losses_before = 0;
  };
  struct Pending {
    fabric::Event event;
    std::string text;
  };
  /// Where taken messages lie until the next poll: chunks, so that none moves.
  class Arena {
   public:
    MutableBytes take(std::size_t bytes);
    void clear();

   private:
    static constexpr std::size_t chunk_bytes = std::size_t{128} << 10;
    std::vector<std::unique_ptr<std::byte[]>> chunks_;
    std::size_t current_ = 0;
    std::size_t used_ = 0;
  };

  ShmFabric(std::string node_name, Waiter waiter);

  Peer* find(fabric::PeerId id) const;
  const Exposed* find_region(fabric::RegionId id);
  Result<> check_push(fabric::RegionId region, std::size_t offset, std::size_t bytes);
  void complete(fabric::Token token, fabric::Lane lane, fabric::RegionId region, const Peer* peer);

  /// Into the ring of messages to that peer, which it finds; whoever calls it sees to the bell.
  Result<> write(fabric::PeerId id, fabric::Lane lane, Bytes message, Peer*& peer);
  /// Why a message of so many bytes does not go to that peer.
  static Result<> refuse(fabric::PeerId id, const Peer* peer, std::size_t bytes);

  // Turning (shm_fabric.cc).
  std::size_t emit(std::span<fabric::Event> events);
  std::size_t take_messages(std::span<fabric::Event> events);
  bool take_from(Peer& peer, std::size_t lane, std::span<fabric::Event> events, std::size_t& count);
  void give_room(Peer& peer, std::size_t lane);
  void end_drained();
  void look_at_clock(bool sockets_due);
  bool room_came();

  // Connections (shm_connect.cc).
  void service(Time now);
  void serve_peer(Peer& peer);
  void dial_peer(Peer& peer);
  void answer(Peer& peer, Guest guest);
  void come_up(Peer& peer);
  void match_strangers();
  void keep_time(Time now);
  Time deadline() const;
  void handle(Peer& peer, const Control& control, Packet& packet);
  void drain(Peer& peer, std::string reason);
  void lose(Peer& peer, std::string reason, bool say_bye);
  void leave_turn(Peer& peer);

  // Regions (shm_memory.cc).
  Result<const std::byte*> add_import(Peer& peer, fabric::RegionId region, std::size_t bytes,
                                      bool object);
  void request(Peer& peer, Import& import);
  void handle_want(Peer& peer, const Control& want);
  void handle_grant(Peer& peer, const Control& grant, Packet& packet);
  void handle_attached(Peer& peer, fabric::RegionId region);

  const fabric::Capabilities capabilities_;
  const std::string node_name_;
  std::string address_;
  Waiter waiter_;
  Door door_;

  std::vector<std::unique_ptr<Peer>> peers_;  ///< by PeerId; empty once forgotten
  std::vector<Peer*> turning_;                ///< up or draining: what poll and flush walk, in turn
  std::vector<Exposed> exposed_;
  std::size_t last_exposed_ = 0;

  std::deque<Pending> pending_;
  std::vector<Completion> completions_;  ///< a queue: from first_completion_, emptied at its end
  std::size_t first_completion_ = 0;
  std::deque<std::string> spoken_;  ///< texts of the events that the last poll returned
  Arena arena_;

  std::uint64_t losses_ = 0;
  std::size_t draining_ = 0;
  bool dirty_ = false;      ///< something was pushed or sent since the last flush
  bool pushed_ = false;     ///< of that, a push
  bool taken_ = false;      ///< the arena is in use
  bool owes_room_ = false;  ///< of messages that were taken
  bool progressed_ = false;
  bool eager_ = false;  ///< introductions are under way
  int polls_left_ = 1;  ///< until the clock is read again
  int stretch_ = 1;
  Time last_clock_{};
  Time last_service_{};
};

}  // namespace squall::shm
