#include "core/multicast/bulk/twins.h"

#include <set>
#include <utility>

namespace squall::multicast::bulk {

Twins::Twins(const Hypercube& cube, Hypercube::Vertex vertex) {
  std::set<Block> ahead[2];  // what only that one has
  const auto other = [](std::uint8_t one) { return static_cast<std::uint8_t>(1 - one); };
  for (Step step = 0; step <= cube.steps(); ++step) {
    Roles roles;
    const auto comes = cube.comes(vertex, step);
    if (const auto goes = cube.goes(vertex, step); step < cube.steps() && goes) {
      if (ahead[0].contains(*goes))
        roles.sender = 0;
      else if (ahead[1].contains(*goes))
        roles.sender = 1;
      else  // both have it: whoever lacks more, since who sends is passed something
        roles.sender = ahead[1].size() >= ahead[0].size() ? 0 : 1;
    }
    if (comes) {
      if (roles.sender != Roles::nobody)
        roles.receiver = other(roles.sender);
      else
        roles.receiver = ahead[0].size() >= ahead[1].size() ? 0 : 1;
    }
    // Of what they had when the step began.
    for (const std::uint8_t from : {0, 1})
      if (!ahead[from].empty() && roles.sender != from && roles.receiver != other(from))
        roles.passes[from] = *ahead[from].begin();
    for (const std::uint8_t from : {0, 1})
      if (roles.passes[from]) ahead[from].erase(*roles.passes[from]);
    if (comes) ahead[roles.receiver].insert(*comes);
    roles_.push_back(roles);
  }
}

}  // namespace squall::multicast::bulk
