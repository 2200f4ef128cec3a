#include "core/multicast/bulk/transfer.h"

#include <algorithm>

namespace squall::multicast::bulk {
namespace {

void note(std::vector<Place>& places, const std::optional<Move>& move) {
  if (move && std::ranges::find(places, move->peer) == places.end()) places.push_back(move->peer);
}

}  // namespace

Transfer::Transfer(Kind kind, Place members, Place self, std::uint64_t bytes,
                   std::uint32_t block_bytes)
    : bytes_(bytes), block_bytes_(block_bytes) {
  const auto blocks = static_cast<Block>(block_count(bytes, block_bytes));
  schedule_ = Schedule::make(kind, members, blocks, self);
  held_.assign(blocks, self == 0);
  missing_ = self == 0 ? 0 : blocks;
  for (Step step = 0; step < schedule_->steps(); ++step) {
    note(children_, schedule_->sends(step));
    note(parents_, schedule_->receives(step));
  }
  advance(0);
}

std::size_t Transfer::size(Block block) const {
  return static_cast<std::size_t>(std::min<std::uint64_t>(block_bytes_, bytes_ - offset(block)));
}

bool Transfer::received(Place from, Block block) {
  if (block >= held_.size() || held_[block]) return false;
  if (std::ranges::find(parents_, from) == parents_.end()) return false;
  held_[block] = true;
  --missing_;
  return true;
}

std::optional<Move> Transfer::next() const {
  if (finished()) return std::nullopt;
  const auto move = schedule_->sends(step_);
  if (!held_[move->block]) return std::nullopt;
  return move;
}

/// To the first step from there on in which something is sent.
void Transfer::advance(Step to) {
  step_ = to;
  while (step_ != schedule_->steps() && !schedule_->sends(step_)) ++step_;
}

}  // namespace squall::multicast::bulk
