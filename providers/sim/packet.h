#pragma once
// What travels between two endpoints. Payloads are shared, since one push goes to many peers.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "core/fabric/fabric.h"

namespace squall::sim {

/// An endpoint's number in its Network: one run of one node.
using Slot = std::uint32_t;

using Payload = std::shared_ptr<const std::vector<std::byte>>;

constexpr std::size_t index(fabric::Lane lane) {
  return static_cast<std::size_t>(lane);
}
constexpr std::size_t index(fabric::PeerId peer) {
  return static_cast<std::size_t>(peer);
}

struct Packet {
  enum class Kind : std::uint8_t {
    hello,    ///< I expect you with this ticket
    hangup,   ///< nothing more comes; behind everything else of its connection
    import,   ///< send me the first `bytes` of your region
    push,     ///< bytes of my region, at `offset`
    message,  ///<
    left,     ///< never on the wire: tells a sender that its packet with `reference` has left
    release,  ///< send me no more of your region
  };
  Kind kind{};
  fabric::Lane lane = fabric::Lane::urgent;
  Slot from = 0;
  Slot to = 0;
  fabric::PeerId from_peer{};  ///< the sender's number of this connection
  fabric::Ticket ticket{};
  fabric::RegionId region{};
  std::size_t offset = 0;
  std::size_t bytes = 0;
  Payload payload{};
  std::uint64_t reference = 0;  ///< the sender's record of its token; 0: none
  Duration extra_delay{0};
  bool quiet = false;  ///< a message that wakes nobody
  std::string text{};  ///< of a hangup: why

  std::size_t payload_bytes() const { return payload ? payload->size() : 0; }
};

}  // namespace squall::sim
