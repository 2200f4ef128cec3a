#include "groups/modules/causal.h"

#include <algorithm>

#include "groups/modules/by_rounds.h"

namespace squall::modules {

using multicast::ConstFrontier;
using multicast::Frontier;
using multicast::SenderIndex;

Causal::Causal(const multicast::Shape& shape, mirror::TableLayout& layout)
    : ranks_(shape.senders),
      own_(shape.own_index()),
      past_(layout.add(shape.sender_count(), mirror::TableLayout::Place::packed)),
      batches_(shape.sender_count()),
      passed_(shape.sender_count()),
      frontier_(shape.sender_count()),
      told_(shape.sender_count()) {
  for (Batches& batches : batches_)
    batches.all.assign(most_batches, {0, 0, std::vector<Round>(shape.sender_count())});
}

/// New messages, up to `end`. The past is read after their rounds were: it is at least theirs.
void Causal::note(SenderIndex sender, Round end, Rank rank, const mirror::Table& table) {
  Batches& batches = batches_[sender];
  // The last one must not grow once the frontier is beyond it, or that would move back: then the
  // second takes in the first, whose past it has.
  if (batches.count == most_batches && batches.at(most_batches - 1).end <= frontier_[sender]) {
    batches.at(1).begin = batches.at(0).begin;
    batches.first = (batches.first + 1) % most_batches;
    --batches.count;
  }
  if (batches.count < most_batches) {
    // What the frontier has beyond the last message are skips.
    batches.at(batches.count).begin = std::max(batches.end, frontier_[sender]);
    ++batches.count;
  }
  batches.end = end;
  Batch& batch = batches.at(batches.count - 1);
  batch.end = end;
  for (SenderIndex other = 0; other < batch.past.size(); ++other)
    batch.past[other] = other == sender ? 0 : table.get(rank, past_, other);
}

void Causal::step(const multicast::StageInput& input, mirror::Table& table,
                  multicast::StageOutput& output) {
  for (SenderIndex sender = 0; sender < batches_.size(); ++sender) {
    if (!input.passed.empty()) passed_[sender] = std::max(passed_[sender], input.passed[sender]);
    Batches& batches = batches_[sender];
    for (; batches.count != 0 && batches.at(0).end <= passed_[sender]; --batches.count)
      batches.first = (batches.first + 1) % most_batches;
    // What this member sends comes after what it has delivered by itself; skips need no past.
    const Round end = std::min(input.below[sender], input.messages[sender]);
    if (sender != own_ && end > batches.end) note(sender, end, ranks_[sender], table);
  }
  std::ranges::copy(input.below, output.frontier.begin());
  close(output.frontier);
  std::ranges::copy(output.frontier, frontier_.begin());
  if (own_ >= batches_.size()) return;
  // Told in this turn, and so before anything of the next one.
  for (SenderIndex sender = 0; sender < batches_.size(); ++sender) {
    const Round end = std::min(output.frontier[sender], input.messages[sender]);
    output.promise = std::max(output.promise, end);
    if (sender == own_ || end <= told_[sender]) continue;
    told_[sender] = end;
    table.raise(past_, sender, end);
  }
}

/// The sender's part of `frontier`, or where its last batch begins, if the past of that is not in
/// it.
Round Causal::step_back(SenderIndex sender, ConstFrontier frontier) const {
  const Round reached = frontier[sender];
  const Batches& batches = batches_[sender];
  std::size_t index = batches.count;
  while (index != 0 && batches.at(index - 1).begin >= reached) --index;
  if (index == 0 || reached <= passed_[sender]) return reached;
  const Batch& last = batches.at(index - 1);
  for (SenderIndex other = 0; other < frontier.size(); ++other)
    if (last.past[other] > frontier[other]) return std::max(last.begin, passed_[sender]);
  return reached;
}

void Causal::close(Frontier frontier) const {
  for (bool moved = true; moved;) {
    moved = false;
    for (SenderIndex sender = 0; sender < frontier.size(); ++sender) {
      const Round closed = step_back(sender, frontier);
      moved |= closed != frontier[sender];
      frontier[sender] = closed;
    }
  }
}

std::size_t Causal::walk(ConstFrontier heads, ConstFrontier to,
                         std::span<multicast::Run> runs) const {
  return walk_by_rounds(heads, to, runs);
}

}  // namespace squall::modules
