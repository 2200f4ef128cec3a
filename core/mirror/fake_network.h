#pragma once
// A fabric for tests of mirrors, channels and modules: pushes land when the test says so, so that
// every mix of old and new can be set by hand. No connections, messages or time; whoever imports a
// region of any node gets a replica of it. One thread.

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/fabric/fabric.h"
#include "core/fabric/memory.h"

namespace squall::mirror {

/// A copy of what was pushed, on its way.
struct FakePush {
  fabric::RegionId region{};
  std::size_t offset = 0;
  std::vector<std::byte> bytes;
};

class FakeNetwork {
 public:
  explicit FakeNetwork(Rank nodes, std::size_t inline_bytes = 256);
  ~FakeNetwork();

  fabric::Fabric& node(Rank rank);
  /// What every node calls its peers: their ranks.
  std::vector<fabric::PeerId> peers() const;

  /// What was pushed from one to the other and has not landed, oldest first.
  const std::deque<FakePush>& queued(Rank from, Rank to) const;
  /// Lands the next pushes from one to the other; returns how many.
  std::size_t land(Rank from, Rank to, std::size_t count = SIZE_MAX);
  /// Lands everything everywhere.
  void land();
  /// Loses everything on its way from one to the other.
  void drop(Rank from, Rank to);
  /// Sends a counter that the owner's memory does not hold, as a hostile owner would.
  void forge(Rank from, Rank to, fabric::RegionId region, std::size_t offset, std::uint64_t value);
  bool exposed(Rank owner, fabric::RegionId region) const {
    return memory(owner, region) != nullptr;
  }
  /// What the owner has exposed under that name, or nullptr.
  const fabric::Memory* memory(Rank owner, fabric::RegionId region) const;

 private:
  class Node;
  using Link = std::pair<Rank, Rank>;

  fabric::Capabilities capabilities_;
  std::vector<std::unique_ptr<Node>> nodes_;
  mutable std::map<Link, std::deque<FakePush>> links_;
};

}  // namespace squall::mirror
