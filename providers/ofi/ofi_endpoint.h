#pragma once
// One connected endpoint (FI_EP_MSG): one lane to one peer. It keeps receive buffers posted and
// bounds what is outstanding itself, since the tcp provider does not enforce its queue sizes and
// completes sends before they are on the wire. Where the provider loses messages that meet no
// receive buffer (verbs), credits count the peer's buffers: a data message leaves the last one
// to a message that gives credits back, so both sides can always say so. Owned by ofi_msg.

#include <memory>

#include "core/base/error.h"
#include "providers/ofi/ofi_buffers.h"
#include "providers/ofi/ofi_domain.h"
#include "providers/ofi/ofi_queue.h"
#include "providers/ofi/ofi_transport.h"

namespace squall::ofi {

/// How a lane's endpoint is sized.
struct LaneShape {
  Limits limits;
  std::size_t window = 16;  ///< messages outstanding
  std::size_t landings = 4;
  bool credits = false;
  WriteLimits write_limits;
  /// Writes outstanding: none begins while there are that many bytes of them, or that many of them.
  std::size_t write_window_bytes = 0, write_window = 0;

  /// One more than the window, for credits.
  std::size_t slots() const { return window + 1; }
  /// Of one endpoint.
  std::uint64_t buffer_bytes() const {
    return slots() * limits.block_bytes + landings * max_wire_bytes;
  }
};

class Endpoint {
 public:
  /// `info` is the domain's to dial, a connection request's to accept. Receives are posted.
  static Result<std::unique_ptr<Endpoint>> open(Domain& domain, Queue& queue, fi_info* info,
                                                PeerId peer, Lane lane, const LaneShape& shape);

  fid_t fid() const { return &endpoint_->fid; }
  PeerId peer() const { return peer_; }
  Lane lane() const { return lane_; }

  Result<> dial(const void* address, Bytes greeting);
  Result<> accept();
  void set_up() { up_ = true; }
  bool up() const { return up_; }
  bool closed() const { return endpoint_ == nullptr; }

  Slot* begin();
  Slot* begin_write();
  WireHeader header();
  /// Code::lost when the provider refuses for good; busy is retried by `retry`.
  Result<> send(Slot* slot);
  /// True if it has still something that the provider had no room for.
  Result<bool> retry();
  bool blocked() const { return !unsent_.empty(); }
  /// A completion came: that message and all before it are sent. Only messages that carry tokens
  /// or refer to memory complete for certain; others may go with a later one.
  void sent(const Slot* slot);
  /// Counts a message that came, with the credits in its header.
  void received(const WireHeader& header);
  /// The buffer is free again.
  Result<> repost(Landing& landing);

  /// Closes the connection; contexts stay until this object dies.
  void close(std::vector<TokenIndex>& tokens);

 private:
  Endpoint(PeerId peer, Lane lane, const LaneShape& shape)
      : peer_(peer), lane_(lane), shape_(shape) {}
  Result<> give_credits();
  long post(Slot* slot);
  long post_write(Slot* slot);
  void give_back(Slot* slot);

  PeerId peer_;
  Lane lane_;
  LaneShape shape_;
  Slots slots_;
  Slots write_slots_;              ///< without blocks
  std::size_t written_bytes_ = 0;  ///< outstanding
  Landings landings_;
  Fid<fid_ep> endpoint_;
  std::deque<Slot*> unsent_;
  std::deque<Slot*> in_flight_;
  std::uint32_t credits_ = 0;  ///< buffers that the peer has posted for us
  std::uint32_t owed_ = 0;     ///< credits to give back
  bool up_ = false;
};

}  // namespace squall::ofi
