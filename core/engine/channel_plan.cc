#include "core/engine/channel_plan.h"

#include <algorithm>
#include <numeric>

namespace squall::engine {

bool ChannelPlan::sends(NodeId node) const {
  return everyone_sends || std::ranges::find(senders, node) != senders.end();
}

bool Place::has(Rank in_view) const {
  return std::ranges::find(members, in_view) != members.end();
}

Place place_in(const View& view, std::size_t channel, const ChannelPlan& plan, Rank self) {
  Place place;
  if (view.seating.empty()) {
    place.members.resize(view.size());
    std::iota(place.members.begin(), place.members.end(), Rank{0});
  } else {
    place.members = view.seating[channel].members;
    place.fresh = view.seating[channel].since == view.id;
  }
  const auto place_of = [&](Rank rank) -> std::optional<Rank> {
    const auto found = std::ranges::find(place.members, rank);
    if (found == place.members.end()) return std::nullopt;
    return static_cast<Rank>(found - place.members.begin());
  };
  place.self = place_of(self);
  if (plan.everyone_sends) {
    place.senders.resize(place.members.size());
    std::iota(place.senders.begin(), place.senders.end(), Rank{0});
  }
  for (const NodeId sender : plan.senders) {
    const auto rank = view.rank_of(sender);
    if (const auto at = rank ? place_of(*rank) : std::nullopt) place.senders.push_back(*at);
  }
  return place;
}

}  // namespace squall::engine
