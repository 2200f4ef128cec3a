#pragma once
// The transport over connected endpoints: tcp and verbs. Two connections for each peer, one per
// lane, so that bulk never delays urgent; of two nodes the one with the smaller address dials.
// It notices a peer's death by itself.

#include <map>
#include <memory>
#include <vector>

#include "core/fabric/provider.h"
#include "providers/ofi/ofi_cm.h"
#include "providers/ofi/ofi_domain.h"
#include "providers/ofi/ofi_endpoint.h"
#include "providers/ofi/ofi_queue.h"
#include "providers/ofi/ofi_transport.h"

namespace squall::ofi {

/// What is written instead of sent, in bytes. Over tcp a message is one call of the kernel, and a
/// write with the counter behind it two. A device does both by itself, and what it writes has not
/// been copied at either end.
inline constexpr std::size_t least_tcp_write = std::size_t{64} << 10;
inline constexpr std::size_t least_device_write = std::size_t{4} << 10;

class MsgTransport final : public Transport {
 public:
  /// `as_verbs` copies everything into registered memory and counts credits, as verbs needs it,
  /// whatever the provider asks for, and waits as it does: so that this code runs where there is
  /// no device.
  static Result<std::unique_ptr<Transport>> open(std::string_view provider,
                                                 const fabric::Options& options,
                                                 bool as_verbs = false);
  ~MsgTransport() override;

  Queue& queue() override { return *queue_; }
  std::string address() const override { return listener_->address(); }
  bool detects_loss() const override { return true; }
  Result<> connect(PeerId peer, std::string_view address, const Ticket& ticket, Time now) override;
  void disconnect(PeerId peer, std::vector<TokenIndex>& tokens) override;
  Domain* writes() override { return domain_->writes() ? domain_.get() : nullptr; }
  const Limits& limits(Lane lane) const override { return shape(lane).limits; }
  Wire* begin(PeerId peer, Lane lane) override;
  Wire* begin_write(PeerId peer, Lane lane) override;
  WriteLimits write_limits(Lane lane) const override { return shape(lane).write_limits; }
  WireHeader header(PeerId peer, Lane lane) override;
  void send(PeerId peer, Lane lane, Wire* wire) override;
  bool poll(Sink& sink, std::size_t room, Time now) override;
  void release() override;
  Time deadline() const override;

 private:
  struct Link {
    Ticket ticket{};
    bool dials = false;
    bool open = true;       ///< not disconnected
    bool reported = false;  ///< on_down was called, or will be
    bool up = false;
    Time until = never;  ///< to be up by then
    std::unique_ptr<Endpoint> lanes[2];
  };
  struct Dying {
    PeerId peer;
    std::string why;
  };
  /// Closed, but the completion queue may still name its contexts.
  struct Buried {
    std::unique_ptr<Endpoint> endpoint;
    Time until;
  };

  MsgTransport() = default;
  const LaneShape& shape(Lane lane) const { return shapes_[static_cast<std::size_t>(lane)]; }
  Link* link(PeerId peer);
  Link* open_link(PeerId peer);
  void die(PeerId peer, std::string why);
  void complete(const Completion& completion, Sink& sink);
  void handle(ConnectionEvent& event, Sink& sink, Time now);
  void request(ConnectionEvent& event, Time now);
  Result<> dial(PeerId peer, Link& made, const sockaddr_storage& address);
  void accept(PeerId peer, Lane lane, Info request);
  Endpoint* find(fid_t fid);

  std::unique_ptr<Domain> domain_;
  std::unique_ptr<Queue> queue_;
  std::unique_ptr<Listener> listener_;
  LaneShape shapes_[2];
  std::map<PeerId, Link> links_;
  std::vector<Dying> dying_;
  std::vector<Buried> buried_;
  std::vector<Landing*> held_;
  std::vector<Endpoint*> blocked_;  ///< have messages that the provider had no room for
  Time next_events_{};
  bool connected_ = false;  ///< there are sockets that nobody has looked at
};

}  // namespace squall::ofi
