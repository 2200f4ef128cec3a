#include "groups/modules/total.h"

#include <algorithm>

#include "groups/modules/by_rounds.h"

namespace squall::modules {

Total::Total(const multicast::Shape& shape, mirror::TableLayout&) : own_(shape.own_index()) {}

void Total::step(const multicast::StageInput& input, mirror::Table&,
                 multicast::StageOutput& output) {
  std::ranges::copy(input.below, output.frontier.begin());
  if (own_ < output.frontier.size()) {
    // Everything committed so far is published by now, with rounds of its own, so the promise costs
    // nothing; it counts for this member at once.
    output.promise = *std::ranges::max_element(input.below);
    output.frontier[own_] = output.promise;
  }
  close(output.frontier);
}

void Total::close(multicast::Frontier frontier) const {
  if (frontier.empty()) return;  // in this view nobody sends
  // The first place not covered is (round, sender) = (the least bound, the first who has it).
  const auto first = std::ranges::min_element(frontier);
  const Round round = *first;
  for (auto at = frontier.begin(); at != frontier.end(); ++at) *at = round + (at < first ? 1 : 0);
}

std::size_t Total::walk(multicast::ConstFrontier heads, multicast::ConstFrontier to,
                        std::span<multicast::Run> runs) const {
  return walk_by_rounds(heads, to, runs);
}

}  // namespace squall::modules
