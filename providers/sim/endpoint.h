#pragma once
// One node's end: fabric::Fabric on a Wire. Calls put packets on the wire or stage them until
// `flush`; arrivals wait in the inbox until `poll` lands them, one by one and in order, while
// there is room for their events.

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/fabric/fabric.h"
#include "providers/sim/packet.h"
#include "providers/sim/wire.h"

namespace squall::sim {

class Endpoint final : public fabric::Fabric {
 public:
  Endpoint(Wire& wire, Slot slot);
  ~Endpoint() override;

  const fabric::Capabilities& capabilities() const override { return capabilities_; }
  std::string_view name() const override { return "sim"; }
  std::string address() const override { return std::string(wire_.address(slot_)); }

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
  void arm() override;
  void disarm() override;
  void wait(Time until) override;
  void wake() override;
  int fd() const override { return -1; }

  // --- for the wire and the driver

  bool alive() const { return alive_; }
  bool asleep() const;
  Time sleeps_until() const { return sleeping_ ? deadline_ : wire_.now(); }
  void arrive(Packet packet);
  void crash();
  void set_lag(Duration lag) { lag_ = lag; }
  /// The peer has landed so much of what was sent to it.
  void credit(fabric::PeerId peer, fabric::Lane lane, std::size_t bytes);

 private:
  enum class State : std::uint8_t { connecting, connected, lost, closed, forgotten };
  struct Replica {
    MutableBytes at{};
    bool object = false;  ///< in memory of the caller's
  };
  struct Peer {
    Slot slot = 0;
    fabric::Ticket ticket{};
    State state = State::connecting;
    std::optional<fabric::PeerId> remote{};       ///< its number of this connection
    std::array<std::size_t, 2> unlanded_bytes{};  ///< messages, by lane
    std::vector<Packet> held{};  ///< imports and releases from before it was connected
    std::map<fabric::RegionId, Replica> replicas{};
  };
  struct Importer {
    fabric::PeerId peer{};
    std::size_t bytes = 0;
  };
  struct Exposed {
    const std::byte* data = nullptr;  ///< nullptr: concealed, the name is used up
    std::size_t bytes = 0;
    std::vector<Importer> importers{};
  };
  struct Hello {
    Packet packet;
    Time arrived{};
  };
  struct Staged {
    Packet packet;
    const std::byte* source = nullptr;  ///< of a push that is not copied yet
    std::vector<std::pair<fabric::PeerId, std::size_t>> targets;  ///< and how many bytes of it
  };
  struct TokenState {
    fabric::Token token = fabric::no_token;
    fabric::PeerId peer{};
    fabric::Lane lane{};
    std::size_t packets = 0;
    bool ok = true;
  };
  struct Waiting {
    fabric::Event event;
    Payload payload{};
    std::string text{};
  };
  struct Arrived {
    Packet packet;
    Time due{};
  };

  static constexpr std::align_val_t page{4096};
  static Payload copy_of(const std::byte* data, std::size_t bytes) {
    return std::make_shared<const std::vector<std::byte>>(data, data + bytes);
  }
  static tl::unexpected<Error> stopped() {
    return fail(Code::closed, "this node's simulated fabric has crashed");
  }

  Result<Peer*> usable(fabric::PeerId peer);
  Peer& known(fabric::PeerId peer);
  bool open(const Peer& peer) const {
    return peer.state == State::connecting || peer.state == State::connected;
  }

  Result<> stage_message(fabric::PeerId peer, fabric::Lane lane, Bytes message, fabric::Token token,
                         bool quiet);
  void emit(fabric::Event event, Payload payload = {}, std::string text = {});
  void ring();
  void land(Packet packet);
  void greet(fabric::PeerId peer, const Packet& hello);
  void ask(fabric::PeerId peer, Packet::Kind kind, fabric::RegionId region, std::size_t bytes);
  void serve_import(fabric::PeerId peer, fabric::RegionId region, std::size_t bytes);
  void end_import(fabric::PeerId peer, fabric::RegionId region);
  void free_replicas(fabric::PeerId peer);
  void land_push(fabric::PeerId peer, const Packet& push);
  void lose(fabric::PeerId peer, std::string why, bool tell);
  void hang_up(fabric::PeerId peer, std::string why, Duration delay = Duration{0});
  void cut_off(fabric::PeerId peer, State next);
  Result<> stage(fabric::RegionId region, const Exposed& exposed,
                 const std::vector<Importer>& importers, std::size_t offset, std::size_t bytes,
                 fabric::Lane lane, fabric::Token token);
  std::uint64_t remember(fabric::Token token, fabric::PeerId peer, fabric::Lane lane,
                         std::size_t packets);
  void settle(std::uint64_t reference, bool ok);

  Wire& wire_;
  const Slot slot_;
  fabric::Capabilities capabilities_;
  bool alive_ = true;
  Duration lag_{0};

  std::deque<Peer> peers_;  ///< by PeerId
  std::map<std::pair<Slot, fabric::PeerId>, fabric::PeerId> by_remote_;
  std::vector<Hello> hellos_;  ///< from those that this node has not called `connect` for
  std::map<fabric::RegionId, Exposed> exposed_;
  std::vector<std::pair<fabric::RegionId, Importer>> imports_to_serve_;

  std::vector<Staged> staged_;
  std::map<std::uint64_t, TokenState> tokens_;
  std::uint64_t next_reference_ = 1;

  std::deque<Arrived> inbox_;
  std::deque<Waiting> events_;
  std::deque<Waiting> handed_out_;  ///< what the last poll's events point into
  bool progressed_ = false;

  bool armed_ = false;
  bool waited_ = false;  ///< since `arm`
  bool rung_ = false;    ///< something came since `arm`
  bool woken_ = false;   ///< `wake` came before `wait`
  bool sleeping_ = false;
  Time deadline_{};
};

}  // namespace squall::sim
