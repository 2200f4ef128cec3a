#pragma once
// A view: who is in the group, in what order. Plain data; everything that depends on the
// membership is built from a view and thrown away with it, so nothing has a reset path.

#include <optional>
#include <string>
#include <vector>

#include "core/base/ids.h"

namespace squall {

struct Member {
  NodeId id{};
  Incarnation incarnation{};
  std::string name;  ///< as configured; for people and logs
};

/// The same life of the same node.
inline bool is_same(const Member& left, const Member& right) {
  return left.id == right.id && left.incarnation == right.incarnation;
}

/// Who of a view is in one channel.
struct Seating {
  /// The view in which somebody first was, and from which on somebody always stayed: who comes to a
  /// channel that is older than the view gets its state from those who were there.
  ViewId since{};
  std::vector<Rank> members;  ///< in the channel's own order; empty: nobody is, for now

  friend bool operator==(const Seating&, const Seating&) = default;
};

struct View {
  ViewId id{};
  std::vector<Member> members;  ///< in rank order
  /// By channel. Empty: every member is in every channel, and always was.
  std::vector<Seating> seating = {};

  Rank size() const { return static_cast<Rank>(members.size()); }

  std::optional<Rank> rank_of(NodeId node) const {
    for (Rank rank = 0; rank < size(); ++rank)
      if (members[rank].id == node) return rank;
    return std::nullopt;
  }
};

}  // namespace squall
