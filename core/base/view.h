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

struct View {
  ViewId id{};
  std::vector<Member> members;  ///< in rank order

  Rank size() const { return static_cast<Rank>(members.size()); }

  std::optional<Rank> rank_of(NodeId node) const {
    for (Rank rank = 0; rank < size(); ++rank)
      if (members[rank].id == node) return rank;
    return std::nullopt;
  }
};

}  // namespace squall
