// Who is behind, and by how much: asked by whoever watches a group, never on a message's way.

#include <algorithm>

#include "core/multicast/channel.h"

namespace squall::multicast {

std::vector<Lag> Channel::lags() const {
  std::vector<Lag> lags(shape_.members);
  // Skips are told to nobody, and nobody waits for them.
  std::vector<Round> held(shape_.sender_count());
  for (SenderIndex sender = 0; sender < held.size(); ++sender)
    held[sender] = std::min(received_[sender], message_ends_[sender]);
  for (Rank rank = 0; rank < shape_.members; ++rank) {
    if (rank == shape_.self) continue;
    std::vector<Round> passed = held;
    stages_.order->cut_to(rank, *table_, passed);
    for (const auto& stage : stages_.above) stage->cut_to(rank, *table_, passed);
    for (SenderIndex sender = 0; sender < held.size(); ++sender)
      lags[rank].rounds += held[sender] - passed[sender];
  }
  for (SenderIndex sender = 0; sender < held.size(); ++sender) count_bytes(sender, lags);
  return lags;
}

void Channel::count_bytes(SenderIndex sender, std::vector<Lag>& lags) const {
  const Rank owner = shape_.senders[sender];
  const std::uint64_t start = table_->get(owner, start_, ring_start);
  if (start == 0) return;  // nothing of this sender in this view yet
  const auto taken_by = [&](Rank rank) {
    return std::max<Position>(table_->get(rank, consumed_, sender), start - 1);
  };
  // What one application has taken, all could have taken.
  Position taken = start - 1;
  for (Rank rank = 0; rank < shape_.members; ++rank) taken = std::max(taken, taken_by(rank));
  for (Rank rank = 0; rank < shape_.members; ++rank) {
    Position end = taken;
    if (rank == shape_.self && deliverable_moved_)
      end = std::max(end, table_->get(owner, published_));
    // At least 0 also where a row has changed since.
    lags[rank].ring_bytes = std::max(lags[rank].ring_bytes, end - std::min(end, taken_by(rank)));
  }
}

}  // namespace squall::multicast
