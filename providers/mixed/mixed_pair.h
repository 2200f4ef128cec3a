#pragma once
// Which fabrics join this node with one peer, and which of them carries the pair: the best one that
// is not lost, as soon as it is up. Each end judges for itself: who reads a region imports it over
// its own carrier, and who sends a message chooses how, so the ends need not agree at every moment;
// but whoever loses a link says so on the others, and then both have lost it. Pure: time is an
// argument.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.h"

namespace squall::mixed {

class Pair {
 public:
  /// How long a better link may take to come up once another one has.
  static constexpr Duration chance = std::chrono::seconds(3);

  using LinkIndex = std::size_t;
  enum class LinkState : std::uint8_t { connecting, up, lost };

  /// The best first. At most 8.
  void add(std::string_view fabric, bool maps);
  std::size_t size() const { return links_.size(); }
  LinkState state(LinkIndex link) const { return links_[link].state; }
  std::string_view fabric(LinkIndex link) const { return links_[link].fabric; }
  std::optional<LinkIndex> find(std::string_view fabric) const;

  void came_up(LinkIndex link, Time now);
  /// False if it was lost before. The peer is to be told on every other link and lane.
  bool lose(LinkIndex link, std::string_view why);

  /// What messages and small state go by; nullopt: all are lost, and so is the peer.
  std::optional<LinkIndex> carrier() const;
  /// What large objects go by: the best that does not map memory.
  std::optional<LinkIndex> object_carrier() const;
  /// The carrier is up.
  bool joined() const;
  /// A link was lost.
  bool has_moved() const;

  /// A better link that has had its chance: lose it.
  std::optional<LinkIndex> overdue(Time now) const;
  /// When there may be one; `never` if all is settled.
  Time deadline() const;

  // --- what the peer must hear first on a link that is up, before any other message there

  /// A link that was lost and that this lane of `on` has not told of.
  std::optional<LinkIndex> to_tell(LinkIndex on, std::size_t lane) const;
  void told(LinkIndex on, std::size_t lane, LinkIndex lost);

  /// Of all links that were lost, in their order.
  std::string why_lost() const;

 private:
  struct Link {
    std::string fabric;
    bool maps = false;
    LinkState state = LinkState::connecting;
    std::string why{};
    std::uint8_t untold[2]{};  // links that were lost, as bits, by lane
  };
  std::optional<LinkIndex> best(bool for_objects) const;

  std::vector<Link> links_;
  Time first_up_ = never;
};

}  // namespace squall::mixed
