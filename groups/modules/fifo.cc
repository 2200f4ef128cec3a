#include "groups/modules/fifo.h"

#include <algorithm>

namespace squall::modules {

Fifo::Fifo(const multicast::Shape&, mirror::TableLayout&) {}

void Fifo::step(const multicast::StageInput& input, mirror::Table&,
                multicast::StageOutput& output) {
  std::ranges::copy(input.below, output.frontier.begin());
}

void Fifo::close(multicast::Frontier) const {}

std::size_t Fifo::walk(multicast::ConstFrontier heads, multicast::ConstFrontier to,
                       std::span<multicast::Run> runs) const {
  std::size_t count = 0;
  for (multicast::SenderIndex sender = 0; sender < heads.size() && count < runs.size(); ++sender)
    if (heads[sender] < to[sender]) runs[count++] = {sender, to[sender]};
  return count;
}

}  // namespace squall::modules
