#pragma once
// The binomial pipeline among the vertices of a hypercube, of which there are 2^dimensions: in step
// j each exchanges a block with its neighbour along edge j mod dimensions. The owner, vertex 0,
// sends the blocks in their order, and the last one over and over; every other vertex passes on the
// newest block that it may have by then (section 4.3 of the RDMC paper has the formula).

#include <optional>

#include "core/multicast/bulk/schedule.h"

namespace squall::multicast::bulk {

class Hypercube {
 public:
  using Vertex = std::uint32_t;

  Hypercube(unsigned dimensions, Block blocks) : dimensions_(dimensions), blocks_(blocks) {}

  Vertex vertices() const { return Vertex{1} << dimensions_; }
  /// Of the pipeline among vertices.
  Step steps() const { return Step{blocks_} + dimensions_ - 1; }
  Vertex neighbour(Vertex vertex, Step step) const {
    return vertex ^ Vertex { 1 } << step % dimensions_;
  }
  /// What the vertex gets in that step from its neighbour; nothing that it has already.
  std::optional<Block> comes(Vertex vertex, Step step) const;
  std::optional<Block> goes(Vertex vertex, Step step) const {
    return comes(neighbour(vertex, step), step);
  }

 private:
  std::optional<Step> offer(Vertex vertex, Step step) const;

  unsigned dimensions_;
  Block blocks_;
};

}  // namespace squall::multicast::bulk
