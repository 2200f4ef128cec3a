#pragma once
// Two members who act as one vertex of the hypercube, where their number is no power of two. In a
// step one of them sends to the neighbour and the other receives from it, and who received passes
// an older block to its twin. What the vertex has to send is always there: whoever holds it sends
// it. So both have everything one step after the vertex would have (the tests count it).

#include <cstdint>
#include <optional>
#include <vector>

#include "core/multicast/bulk/hypercube.h"

namespace squall::multicast::bulk {

class Twins {
 public:
  /// What the two do in one step, by 0 and 1.
  struct Roles {
    static constexpr std::uint8_t nobody = 2;
    std::uint8_t sender = nobody;    ///< to the neighbour
    std::uint8_t receiver = nobody;  ///< from the neighbour
    /// What 0 passes to 1, and 1 to 0.
    std::optional<Block> passes[2];
  };

  Twins(const Hypercube& cube, Hypercube::Vertex vertex);

  /// One step more than the vertices need.
  const Roles& roles(Step step) const { return roles_[step]; }

 private:
  std::vector<Roles> roles_;
};

}  // namespace squall::multicast::bulk
