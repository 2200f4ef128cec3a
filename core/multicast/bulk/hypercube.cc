#include "core/multicast/bulk/hypercube.h"

#include <algorithm>
#include <bit>

namespace squall::multicast::bulk {

/// Which block a vertex has for its neighbour, as if there were endlessly many.
std::optional<Step> Hypercube::offer(Vertex vertex, Step step) const {
  if (vertex == 0) return step;
  const auto turn = static_cast<unsigned>(step % dimensions_);
  const Vertex turned = (vertex >> turn | vertex << (dimensions_ - turn)) & (vertices() - 1);
  const Step newest = step + static_cast<Step>(std::countr_zero(turned));
  if (newest < dimensions_) return std::nullopt;
  return newest - dimensions_;
}

std::optional<Block> Hypercube::comes(Vertex vertex, Step step) const {
  if (vertex == 0 || step >= steps()) return std::nullopt;
  const auto offered = offer(neighbour(vertex, step), step);
  if (!offered) return std::nullopt;
  const Step last = blocks_ - 1;
  if (*offered < last) return static_cast<Block>(*offered);
  // What stands for the last block and those that are not there. Only the first of them comes; no
  // block is offered before the step of its own number.
  for (Step before = last; before < step; ++before)
    if (const auto same = offer(neighbour(vertex, before), before); same && *same >= last)
      return std::nullopt;
  return blocks_ - 1;
}

}  // namespace squall::multicast::bulk
