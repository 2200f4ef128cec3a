#include "groups/modules/stable.h"

#include <algorithm>

namespace squall::modules {

Stable::Stable(const multicast::Shape& shape, mirror::TableLayout& layout)
    : self_(shape.self),
      held_(layout.add(shape.sender_count(), mirror::TableLayout::Place::packed)),
      told_(shape.sender_count()),
      stable_(shape.sender_count()) {}

void Stable::step(const multicast::StageInput& input, mirror::Table& table,
                  multicast::StageOutput& output) {
  for (std::uint32_t sender = 0; sender < told_.size(); ++sender) {
    // Only messages are told: nobody waits to hear that a skip was heard.
    const Round held = std::min(input.received[sender], input.messages[sender]);
    if (held > told_[sender]) {
      told_[sender] = held;
      table.raise(held_, sender, held);
    }
    Round everywhere = told_[sender];
    for (Rank rank = 0; rank < table.members(); ++rank)
      if (rank != self_) everywhere = std::min(everywhere, table.get(rank, held_, sender));
    const Round below = input.below[sender];
    // What was once stable stays so: a new message behind skips must not take them back.
    Round& stable = stable_[sender];
    stable = std::max(stable,
                      everywhere >= input.messages[sender] ? below : std::min(below, everywhere));
    output.frontier[sender] = stable;
  }
}

void Stable::cut_to(Rank member, const mirror::Table& table, multicast::Frontier frontier) const {
  for (std::uint32_t sender = 0; sender < frontier.size(); ++sender)
    frontier[sender] = std::min(frontier[sender], table.get(member, held_, sender));
}

}  // namespace squall::modules
