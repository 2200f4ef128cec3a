#include "core/membership/applicants.h"

#include <algorithm>

#include "core/base/rank_set.h"

namespace squall::membership {

void Applicants::named(const Joiner& joiner, Time now) {
  const auto came = arrivals_.find(joiner.member.id);
  if (came != arrivals_.end() && now < came->second.until &&
      joiner.member.incarnation <= came->second.run)
    return;
  const auto known = applicants_.find(joiner.member.id);
  if (known == applicants_.end() && applicants_.size() >= most) return;
  // Of two runs of one node, the later: the earlier one is dead.
  if (known != applicants_.end() &&
      known->second.joiner.member.incarnation > joiner.member.incarnation)
    return;
  applicants_[joiner.member.id] = {joiner, now};
}

void Applicants::came(const std::vector<Joiner>& joiners, Time until) {
  for (const Joiner& joiner : joiners) {
    const Member& member = joiner.member;
    arrivals_[member.id] = {member.incarnation, until};
    const auto known = applicants_.find(member.id);
    if (known != applicants_.end() && known->second.joiner.member.incarnation <= member.incarnation)
      applicants_.erase(known);
  }
}

void Applicants::forget(Time now, Duration patience) {
  std::erase_if(applicants_,
                [&](const auto& each) { return each.second.named_at + patience < now; });
  std::erase_if(arrivals_, [&](const auto& each) { return each.second.until <= now; });
}

bool Applicants::any(const View& view) const {
  return view.size() < max_members && std::ranges::any_of(applicants_, [&](const auto& each) {
           return !view.rank_of(each.first);
         });
}

std::vector<Joiner> Applicants::admissible(const View& view, Rank kept) const {
  // As many as are kept, so that those are a majority even if every joiner dies.
  const std::size_t room = std::min(kept, max_members - kept);
  std::vector<Joiner> joiners;
  for (const auto& [id, applicant] : applicants_) {
    if (joiners.size() == room) break;
    // Also of one that the next view leaves out: what is said to it must not reach its next run.
    if (!view.rank_of(id)) joiners.push_back(applicant.joiner);
  }
  return joiners;
}

}  // namespace squall::membership
