#pragma once
// One peer over several fabrics: its links and their state, its messages both ways, and what is
// imported from it. What it means is the fabric's business. One thread.

#include <array>
#include <list>
#include <map>
#include <optional>
#include <vector>

#include "core/fabric/fabric.h"
#include "core/fabric/memory.h"
#include "providers/mixed/mixed_message.h"
#include "providers/mixed/mixed_pair.h"

namespace squall::mixed {

inline constexpr std::size_t lane_count = 2;

/// A replica that this node asked for. Its address stays what the first link made it; a link that
/// comes after that one lands there.
struct Import {
  fabric::RegionId region{};
  std::size_t bytes = 0;
  bool object = false;
  Pair::LinkIndex link = 0;
  std::byte* at = nullptr;
  fabric::Memory landing{};  ///< lent, from the second link on
};

struct Peer {
  enum class State : std::uint8_t { live, lost, disconnected };
  /// A connection of one of the fabrics.
  struct Link {
    std::size_t child = 0;
    fabric::PeerId id{};
  };

  explicit Peer(fabric::PeerId number) : id(number) {}

  const fabric::PeerId id;
  State state = State::live;
  bool joined = false;  ///< `connected` was said
  bool busy = false;    ///< in the fabric's list of those with something to send
  Pair pair;
  std::vector<Link> links;
  std::array<Outgoing, lane_count> outgoing;
  std::array<Incoming, lane_count> incoming;
  /// The next message of that lane comes behind what was pushed over this link.
  std::array<std::optional<Pair::LinkIndex>, lane_count> behind;
  std::list<Import> imports;  ///< in the order of the calls
  /// The one of them that moves at this time, and whether the owner has been asked.
  std::optional<fabric::RegionId> moving;
  bool asked = false;
  std::map<fabric::RegionId, Pair::LinkIndex> attached;  ///< regions of mine that it has, and how
};

}  // namespace squall::mixed
