#pragma once
// What the fabric needs of a libfabric endpoint kind: links to peers that carry whole wire
// messages on two lanes, each with a bounded window. Connected endpoints (ofi_msg.h) and
// datagram-like reliable ones (ofi_rdm.h) are behind it. Owned by the fabric; one thread,
// except for Queue::wake.

#include <cstddef>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/base/time.h"
#include "core/fabric/fabric.h"
#include "providers/ofi/ofi_batch.h"
#include "providers/ofi/ofi_queue.h"
#include "providers/ofi/ofi_wire.h"

namespace squall::ofi {

using fabric::PeerId;
using fabric::Ticket;

/// One write has at most this, or what the device can send; the window of a lane is counted in it.
/// Over tcp each is one call of the kernel, and two cost more than one twice as long: builds with
/// half of this moved objects of 1 MB a fifth slower.
inline constexpr std::size_t write_bytes = std::size_t{1} << 20;

/// How long the writes of a lane are.
struct WriteLimits {
  std::size_t least = 0;  ///< shorter pushes are cheaper as messages, of which one carries many
  std::size_t most = 0;   ///< 0: there are no writes

  bool allow(std::size_t bytes) const { return most != 0 && bytes >= least; }
};

class Transport {
 public:
  /// What `poll` reports. The callee may call `disconnect` of any link.
  class Sink {
   public:
    virtual void on_up(PeerId peer) = 0;
    virtual void on_down(PeerId peer, std::string why) = 0;
    /// True: `wire` is still needed, until `release`.
    virtual bool on_wire(PeerId peer, Lane lane, Bytes wire) = 0;
    virtual void on_sent(PeerId peer, Lane lane, Wire& wire) = 0;

   protected:
    ~Sink() = default;
  };

  virtual ~Transport() = default;

  virtual Queue& queue() = 0;
  virtual std::string address() const = 0;
  virtual bool detects_loss() const = 0;

  /// Starts to connect, in whichever role; on_up or on_down follows. Code::invalid for an
  /// address that is none.
  virtual Result<> connect(PeerId peer, std::string_view address, const Ticket& ticket,
                           Time now) = 0;
  /// Nothing of that link is reported afterwards; the tokens of what it had in flight go to
  /// `tokens`. Idempotent.
  virtual void disconnect(PeerId peer, std::vector<TokenIndex>& tokens) = 0;

  /// To register memory with, if links carry writes; else nullptr.
  virtual Domain* writes() { return nullptr; }

  virtual const Limits& limits(Lane lane) const = 0;
  /// A message to fill, or nullptr while the lane's window is full or the link is not up.
  virtual Wire* begin(PeerId peer, Lane lane) = 0;
  /// The same for a write.
  virtual Wire* begin_write(PeerId, Lane) { return nullptr; }
  virtual WriteLimits write_limits(Lane) const { return {}; }
  /// What the next message's header must say.
  virtual WireHeader header(PeerId peer, Lane lane) = 0;
  /// Sends what `begin` or `begin_write` gave and the batch filled.
  virtual void send(PeerId peer, Lane lane, Wire* wire) = 0;

  /// Progress: reports at most about `room` messages. True if there was anything.
  virtual bool poll(Sink& sink, std::size_t room, Time now) = 0;
  /// Messages that on_wire kept are not needed any more.
  virtual void release() = 0;
  /// `poll` must be called then, even if nothing comes.
  virtual Time deadline() const = 0;
};

}  // namespace squall::ofi
