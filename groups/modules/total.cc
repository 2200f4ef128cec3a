#include "groups/modules/total.h"

#include <algorithm>

#include "core/mirror/ring_reader.h"

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
  const auto senders = static_cast<multicast::SenderIndex>(heads.size());
  multicast::SenderIndex active = 0;
  multicast::SenderIndex last_active = 0;
  Round round = mirror::no_round;
  Round end = 0;
  for (multicast::SenderIndex sender = 0; sender < senders; ++sender) {
    if (heads[sender] >= to[sender]) continue;
    ++active;
    last_active = sender;
    round = std::min(round, heads[sender]);
    end = std::max(end, to[sender]);
  }
  if (active == 0) return 0;
  if (active == 1) {
    runs[0] = {last_active, to[last_active]};
    return 1;
  }
  // From the first known message on, place by place. Where a sender's head lies further on, its
  // place is known to be empty; behind the head only the next one will tell, so some runs turn out
  // empty, but never the first: a walk always gets further, however few runs fit.
  std::size_t count = 0;
  for (; round < end; ++round)
    for (multicast::SenderIndex sender = 0; sender < senders; ++sender) {
      if (heads[sender] > round || round >= to[sender]) continue;
      if (count == runs.size()) return count;
      runs[count++] = {sender, round + 1};
    }
  return count;
}

}  // namespace squall::modules
