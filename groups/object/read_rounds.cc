#include "groups/object/read_rounds.h"

#include <algorithm>
#include <utility>

namespace squall::objects {

void ReadRounds::begin(std::shared_ptr<const View> view, std::vector<Rank> others,
                       std::uint64_t executed) {
  view_ = std::move(view);
  ++number_;
  calls_.insert(calls_.end(), waiting_.begin(), waiting_.end());
  waiting_.clear();
  unasked_ = others;
  unanswered_ = std::move(others);
  furthest_ = executed;
  if (unanswered_.empty()) conclude();
}

void ReadRounds::ask_again(NodeId member) {
  if (!view_) return;
  const auto rank = view_->rank_of(member);
  if (rank && std::ranges::count(unanswered_, *rank) != 0 &&
      std::ranges::count(unasked_, *rank) == 0)
    unasked_.push_back(*rank);
}

void ReadRounds::answered(NodeId member, std::uint64_t number, ViewId in, std::uint64_t executed) {
  if (!view_ || number != number_ || raw(in) > raw(view_->id)) return;
  const auto rank = view_->rank_of(member);
  if (!rank || std::erase(unanswered_, *rank) == 0) return;
  furthest_ = std::max(furthest_, executed);
  if (unanswered_.empty()) conclude();
}

void ReadRounds::conclude() {
  confirmed_.push_back({view_->id, furthest_, std::exchange(calls_, {})});
  view_.reset();
}

std::vector<std::uint64_t> ReadRounds::take_due(ViewId told, std::uint64_t executed) {
  std::vector<std::uint64_t> due;
  std::erase_if(confirmed_, [&](const Confirmed& each) {
    if (raw(each.view) > raw(told) || each.executed > executed) return false;
    due.insert(due.end(), each.calls.begin(), each.calls.end());
    return true;
  });
  return due;
}

std::vector<std::uint64_t> ReadRounds::take_all() {
  std::vector<std::uint64_t> all = std::exchange(waiting_, {});
  all.insert(all.end(), calls_.begin(), calls_.end());
  calls_.clear();
  for (const Confirmed& each : confirmed_)
    all.insert(all.end(), each.calls.begin(), each.calls.end());
  confirmed_.clear();
  unasked_.clear();
  unanswered_.clear();
  view_.reset();
  return all;
}

}  // namespace squall::objects
