#pragma once
// A Fabric over any Transport. Mirrors are messaged: pushes gather per peer and lane in a Batch
// and leave as few wire messages; the receiver checks a message whole, then applies it in order.
// Long pushes are written in their place of that order, where the transport can.
// One thread at a time, except for `wake`.

#include <array>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/fabric/fabric.h"
#include "core/fabric/memory.h"
#include "providers/ofi/ofi_batch.h"
#include "providers/ofi/ofi_region.h"
#include "providers/ofi/ofi_tokens.h"
#include "providers/ofi/ofi_transport.h"
#include "providers/ofi/ofi_wire.h"

namespace squall::ofi {

class OfiFabric final : public fabric::Fabric, private Transport::Sink {
 public:
  OfiFabric(std::string name, std::unique_ptr<Transport> transport);
  ~OfiFabric() override;

  const fabric::Capabilities& capabilities() const override { return capabilities_; }
  std::string_view name() const override { return name_; }
  std::string address() const override { return transport_->address(); }

  Result<PeerId> connect(std::string_view peer_address, const Ticket& ticket) override;
  void disconnect(PeerId peer) override;
  void forget(PeerId peer) override;

  Result<> send(PeerId peer, Lane lane, Bytes message, fabric::Token token) override;

  Result<> expose(RegionId region, const fabric::Memory& memory) override;
  void conceal(RegionId region) override;
  Result<const std::byte*> import(PeerId peer, RegionId region, std::size_t bytes) override;
  Result<const std::byte*> import_object(PeerId peer, RegionId region, std::size_t bytes,
                                         fabric::Memory* landing) override;
  void release(PeerId peer, RegionId region) override;
  Result<> push(RegionId region, std::size_t offset, std::size_t bytes, Lane lane,
                fabric::Token token) override;
  Result<> push_to(PeerId peer, RegionId region, std::size_t offset, std::size_t bytes, Lane lane,
                   fabric::Token token) override;

  void flush() override;
  std::size_t poll(std::span<fabric::Event> events) override;
  bool progressed() const override { return progressed_; }

  void arm() override;
  void disarm() override { transport_->queue().disarm(); }
  void wait(Time until) override { wait_beside(-1, until); }
  bool wait_beside(int descriptor, Time until) override;
  void wake() override { transport_->queue().wake(); }
  int fd() const override { return transport_->queue().fd(); }

 private:
  struct Peer {
    explicit Peer(PeerId number) : id(number) {}
    PeerId id;
    enum class State : std::uint8_t { connecting, up, lost, disconnected } state{};
    std::array<Batch, 2> batches;
    bool dirty = false;  ///< in dirty_
    /// Messages with references, by lane: handed to the transport, and sent.
    std::array<std::uint64_t, 2> referring{}, referred{};
    std::size_t imports = 0;  ///< that it asked for and that have not ended
    Replicas replicas;
    bool live() const { return state == State::connecting || state == State::up; }
  };
  class Landed;
  /// A concealed region, and what was in flight from it then.
  struct Retired {
    struct Flight {
      PeerId peer;
      std::size_t lane;
      std::uint64_t last;
    };
    Source memory;
    std::vector<Flight> flights;
  };

  Peer* find(PeerId peer);
  Batch& batch(Peer& peer, Lane lane) { return peer.batches[static_cast<std::size_t>(lane)]; }
  void touch(Peer& peer);
  bool pump(Peer& peer);
  void lose(Peer& peer, std::string why);
  void fail_queued(Peer& peer);
  void done(TokenIndex token, bool ok);
  fabric::Event& ready(fabric::Event::Kind kind, PeerId peer);
  Result<Region*> bounds(RegionId region, std::size_t offset, std::size_t bytes);
  void queue_push(RegionId region, Region& mine, const Region::Importer& importer,
                  std::size_t offset, std::size_t bytes, Lane lane, TokenIndex token);
  void serve_import(RegionId region, const Region::Importer& importer);
  void import_at(Peer& peer, RegionId region, std::size_t bytes, const OpenMemory* open);
  void end_import(Peer& peer, RegionId region);
  void leave_regions(PeerId peer);
  void let_go();

  void on_up(PeerId peer) override;
  void on_down(PeerId peer, std::string why) override;
  bool on_wire(PeerId peer, Lane lane, Bytes wire) override;
  void on_sent(PeerId peer, Lane lane, Wire& wire) override;

  std::string name_;
  std::unique_ptr<Transport> transport_;
  fabric::Capabilities capabilities_;
  std::vector<std::unique_ptr<Peer>> peers_;  ///< by PeerId; forgotten ones are empty
  std::unordered_map<std::uint64_t, Region> regions_;
  Tokens tokens_;
  std::vector<PeerId> dirty_;         ///< have something to send
  std::vector<fabric::Event> ready_;  ///< to hand out, from `next_ready_`
  std::size_t next_ready_ = 0;
  std::deque<std::string> texts_;  ///< of events in `ready_`
  std::vector<Retired> retired_;
  OpenMemories open_memories_;
  bool progressed_ = false;
};

}  // namespace squall::ofi
