#pragma once
// The transport over reliable datagrams (FI_EP_RDM): any provider by name. One endpoint serves
// all peers; both lanes share it, with a small window each, so that bulk stays behind urgent. A
// provider may call a send complete when it lies in the peer's queue (shm does), so the bulk lane
// also counts what the peer has taken: credits, which travel in the headers.
// Strangers may write to it, so peers greet in band: a greeting carries the ticket and a session
// number that the other end must put into every message from then on; a message without a
// session that is alive is dropped. After a disconnect the session is dead: that is the fence.
// It does not notice a peer's death.

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "core/base/random.h"
#include "core/fabric/provider.h"
#include "providers/ofi/ofi_buffers.h"
#include "providers/ofi/ofi_domain.h"
#include "providers/ofi/ofi_queue.h"
#include "providers/ofi/ofi_transport.h"

namespace squall::ofi {

class RdmTransport final : public Transport {
 public:
  static Result<std::unique_ptr<Transport>> open(std::string_view provider,
                                                 const fabric::Options& options);
  ~RdmTransport() override;

  Queue& queue() override { return *queue_; }
  std::string address() const override { return address_; }
  bool detects_loss() const override { return false; }
  Result<> connect(PeerId peer, std::string_view address, const Ticket& ticket, Time now) override;
  void disconnect(PeerId peer, std::vector<TokenIndex>& tokens) override;
  const Limits& limits(Lane) const override { return limits_; }
  Wire* begin(PeerId peer, Lane lane) override;
  WireHeader header(PeerId peer, Lane lane) override;
  void send(PeerId peer, Lane lane, Wire* wire) override;
  bool poll(Sink& sink, std::size_t room, Time now) override;
  void release() override;
  Time deadline() const override;

 private:
  /// One lane to one peer: its slots, and what the provider had no room for.
  struct LaneSlots {
    Slots slots;
    std::deque<Slot*> unsent;
    std::uint32_t next_sequence = 0;
  };
  /// One lane from one peer. Messages are matched in order but may complete out of it: a long one
  /// is fetched while short ones behind it are there already (rxm). These wait here.
  struct Inbound {
    struct Early {
      std::uint32_t sequence;
      Landing* landing;
      std::size_t bytes;
    };
    std::uint32_t next_sequence = 0;
    std::vector<Early> early;
  };
  struct Link {
    PeerId peer{};
    Ticket ticket{};
    std::uint64_t address = 0;       ///< fi_addr_t
    std::uint64_t my_session = 0;    ///< what it must send
    std::uint64_t peer_session = 0;  ///< what it wants from us; 0 until it greeted
    bool up = false;
    bool reported = false;  ///< on_down was called, or will be
    bool closed = false;
    Time until = never;       ///< to be up by then
    Time next_greeting = {};  ///< while it has not greeted
    Time buried = never;      ///< closed: to be thrown away, if nothing is in flight
    std::array<LaneSlots, 2> lanes;
    std::array<Inbound, 2> inbound;
    std::uint32_t credits = 0;  ///< bulk messages that the peer has room for
    std::uint32_t owed = 0;     ///< bulk messages that it sent and that were taken since
  };
  struct Held {
    Ticket ticket;
    std::uint64_t session;
    Time until;
  };
  struct Dying {
    PeerId peer;
    std::string why;
  };

  RdmTransport() = default;
  Link* link(PeerId peer);
  void die(PeerId peer, std::string why);
  void greet(Link& to, Time now);
  void greeted(Bytes wire, Sink& sink, Time now);
  void welcome(Link& from, std::uint64_t session, Sink* sink, Time now);
  bool post(Slot* slot);
  void retry();
  void repost(Landing& landing);
  void complete(const Completion& completion, Sink& sink, Time now);
  void received(Landing& landing, std::size_t bytes, Sink& sink, Time now);
  void take(Link& from, Landing& landing, const WireHeader& header, std::size_t bytes, Sink& sink);
  void give_credits(Link& to);
  void look_after(Sink& sink, Time now);

  std::unique_ptr<Domain> domain_;
  std::unique_ptr<Queue> queue_;
  Fid<fid_av> addresses_;
  Slots greetings_;
  Landings landings_;
  Fid<fid_ep> endpoint_;
  std::string address_;
  Limits limits_{max_wire_bytes, 0, 0};
  std::uint32_t bulk_credits_ = 0;  ///< of every link
  Random random_{0};
  std::map<PeerId, std::unique_ptr<Link>> links_;
  std::vector<std::unique_ptr<Link>> closed_;
  std::unordered_map<std::uint64_t, Link*> sessions_;
  std::vector<Held> held_greetings_;  ///< oldest first
  std::vector<Landing*> held_;
  std::vector<Landing*> unposted_;
  std::vector<Dying> dying_;
  Time next_look_{};
};

}  // namespace squall::ofi
