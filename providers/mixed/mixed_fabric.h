#pragma once
// The Fabric over several others. Memory: what is exposed is exposed on all of them and pushed on
// all; an import goes over the pair's carrier, so a push reaches each importer by one of them.
// Messages carry numbers of their own (mixed_message.h). What carries a pair is decided by Pair
// (mixed_pair.h).

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/base/digest.h"
#include "core/fabric/fabric.h"
#include "providers/mixed/mixed.h"
#include "providers/mixed/mixed_peer.h"
#include "providers/mixed/mixed_wait.h"

namespace squall::mixed {

class MixedFabric final : public fabric::Fabric {
 public:
  MixedFabric(std::string name, std::string_view host, Children children, Waiter waiter);
  ~MixedFabric() override;

  const fabric::Capabilities& capabilities() const override { return capabilities_; }
  std::string_view name() const override { return name_; }
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

  void arm() override;
  void disarm() override;
  void wait(Time until) override;
  void wake() override { waiter_.wake(); }
  int fd() const override { return capabilities_.can_wait ? waiter_.fd() : -1; }

 private:
  struct Child {
    std::unique_ptr<fabric::Fabric> fabric;
    bool maps = false;
    /// Whose link each of its connections is, by the child's number for it.
    std::vector<std::pair<fabric::PeerId, Pair::LinkIndex>> owners{};
  };
  /// What a child's token stands for.
  struct Ticket {
    fabric::Event event;   ///< what comes back to whoever handed it in, if it has a token
    std::size_t left = 0;  ///< children that have not returned it
    Frame frame{};         ///< a message that a child may still read
  };
  /// Somebody wants to hear when what was pushed upon an import of his has left.
  struct Asked {
    fabric::PeerId peer{};
    Pair::LinkIndex on = 0;
    fabric::RegionId region{};
  };
  struct Pending {
    fabric::Event event;
    std::vector<std::byte> bytes;
    std::string text;
  };

  Peer* find(fabric::PeerId peer) const;
  Peer* live(fabric::PeerId peer) const;
  fabric::Fabric& child_of(const Peer& peer, Pair::LinkIndex link) const {
    return *children_[peer.links[link].child].fabric;
  }

  // Turning (mixed_fabric.cc).
  void emit(const fabric::Event& event);
  void emit_owned(fabric::Event event, std::vector<std::byte> bytes, std::string text);
  void take_pending();
  void handle(Child& child, const fabric::Event& event);
  void give_back(fabric::Token token, bool ok);
  fabric::Token issue(const fabric::Event& event, std::size_t children);
  void watch(Time now);
  bool has_more() const;

  // Messages (mixed_messages.cc).
  void on_frame(Peer& peer, Pair::LinkIndex link, fabric::Lane lane, Bytes frame);
  void on_message(Peer& peer, std::size_t lane, std::uint64_t number, Bytes message);
  void release_held(Peer& peer, std::size_t lane);
  void make_busy(Peer& peer);
  void pump_busy();
  Result<> queue(fabric::PeerId peer, fabric::Lane lane, Bytes message, fabric::Token token,
                 bool quiet);
  bool pump(Peer& peer);
  bool pump(Peer& peer, std::size_t lane);
  bool tell_losses(Peer& peer, Pair::LinkIndex on, std::size_t lane);
  bool give(Peer& peer, Pair::LinkIndex on, std::size_t lane, const Frame& frame,
            bool quiet = false);
  static Import* moving_import(Peer& peer);
  bool ask(Peer& peer);
  void answer_asked();

  // Connections (mixed_connect.cc).
  void join(Peer& peer);
  void lose_link(Peer& peer, Pair::LinkIndex link, std::string_view why);
  void fence(Peer& peer, Pair::LinkIndex link, std::string_view why);
  void settle(Peer& peer);
  void move_next(Peer& peer);
  void lose(Peer& peer, std::string why);
  void leave(Peer& peer);

  // Regions (mixed_memory.cc).
  Result<> land_anew(Peer& peer, Import& import, Pair::LinkIndex link);
  void note_attached(Peer& peer, Pair::LinkIndex link, fabric::RegionId region);
  void note_detached(Peer& peer, std::optional<Pair::LinkIndex> link);

  const std::string name_;
  const Digest::Value host_;
  std::string address_;
  std::vector<Child> children_;
  Waiter waiter_;
  fabric::Capabilities capabilities_;

  std::vector<std::unique_ptr<Peer>> peers_;  ///< by PeerId; empty once forgotten
  std::vector<fabric::PeerId> busy_;
  /// Who has a region of mine over another link than its carrier: large objects.
  std::map<fabric::RegionId, std::vector<fabric::PeerId>> strays_;
  std::unordered_map<fabric::Token, Ticket> tickets_;
  fabric::Token last_token_ = fabric::no_token;

  std::vector<Asked> asked_;  ///< answered by the next poll that finds no events left
  std::deque<Pending> pending_;
  std::deque<Pending> spoken_;        ///< what the last poll's events point to
  std::span<fabric::Event> room_;     ///< of the poll under way
  std::size_t count_ = 0;             ///< of the events in it
  std::vector<fabric::Event> taken_;  ///< from a child
  std::size_t first_child_ = 0;       ///< whose events are taken first, for fairness
  std::size_t looks_ = 0;             ///< polls since `arm`
  bool armed_ = false;
  bool more_ = false;  ///< a child had more events than there was room for
  bool progressed_ = false;
  bool dirty_ = false;      ///< something of our own is to leave with this poll
  bool unsettled_ = false;  ///< some pair waits for a better link
};

}  // namespace squall::mixed
