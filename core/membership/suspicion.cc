#include "core/membership/suspicion.h"

#include <fmt/format.h>

#include <chrono>

#include "core/base/assert.h"

namespace squall::membership {

std::string Evidence::text(const View& view) const {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(lasted).count();
  switch (kind) {
    case Kind::none:
      return "not suspected";
    case Kind::link_lost:
      return fmt::format("link lost: {}", reason);
    case Kind::silent:
      return fmt::format("silent for {} ms", ms);
    case Kind::deaf:
      return fmt::format("has not heard this node for {} ms", ms);
    case Kind::isolated:
      return fmt::format("says for {} ms that it is cut off from a majority", ms);
    case Kind::accused:
      return fmt::format("accused by {}{}", by < view.size() ? view.members[by].name : "?",
                         reason.empty() ? "" : ", and link lost: " + reason);
    case Kind::accuses_me:
      return "accused this node, which ranks before it";
  }
  return "?";
}

Suspicion::Suspicion(Rank members, Rank self) : members_(members), self_(self), peers_(members) {
  SQUALL_ASSERT(members <= max_members && self < members, "a member of the view");
}

void Suspicion::link_lost(Rank rank, std::string_view reason) {
  SQUALL_ASSERT(rank < members_ && rank != self_, "a peer of the view");
  if (lost_.contains(rank)) return;
  lost_.insert(rank);
  peers_[rank].evidence.reason = reason;
}

void Suspicion::pulse(Rank from, const Pulse& pulse) {
  SQUALL_ASSERT(from < members_ && from != self_, "a peer of the view");
  if (!pulse.suspects.empty()) accusing_.insert(from);
  if (pulse.suspects.contains(self_)) fenced_by_.insert(from);
  if (pulse.isolated) {
    claims_.insert(from);
  } else {
    claims_.erase(from);
    counted_.erase(from);
  }
  // Who is isolated says it again when it is not.
  const bool accuses_me = pulse.suspects.contains(self_) && !pulse.isolated;
  const bool earlier = pulse.spreading.contains(self_) || from < self_;
  accusers_.erase(from);
  later_accusers_.erase(from);
  if (accuses_me) (earlier ? accusers_ : later_accusers_).insert(from);

  if (suspects_.contains(from) || pulse.suspects.contains(self_) || pulse.isolated) return;
  for (Rank rank = pulse.spreading.first(); rank < members_; ++rank) {
    if (!pulse.spreading.contains(rank) || rank == from) continue;
    suspect(rank, Evidence::Kind::accused, from);
    spreading_.insert(rank);
  }
}

void Suspicion::step(const Detector& detector) {
  asks_ = false;
  const RankSet open = (lost_ | claims_ | waiting_ | detector.silent()) - suspects_;
  for (Rank rank = open.first(); rank < members_; ++rank) {
    if (!open.contains(rank)) continue;
    Peer& peer = peers_[rank];
    weigh(rank, detector);
    if (peer.evidence.kind == Evidence::Kind::none) {
      waiting_.erase(rank);
      continue;
    }
    const bool waited = waiting_.contains(rank);
    waiting_.insert(rank);
    if (!waited) peer.since = detector.newest_beat();
    if (detector.answered_by_majority(peer.since))
      suspect(rank, peer.evidence.kind, 0, peer.evidence.lasted);
    else if (!waited)
      asks_ = true;
  }
  if (!accused_by_earlier() && !detector.isolated())
    for (Rank rank = later_accusers_.first(); rank < members_; ++rank)
      if (later_accusers_.contains(rank)) suspect(rank, Evidence::Kind::accuses_me);
  fresh_ = suspects_ - told_;
  told_ = suspects_;
}

void Suspicion::suspect(Rank rank, Evidence::Kind kind, Rank by, Duration lasted) {
  if (suspects_.contains(rank)) return;
  suspects_.insert(rank);
  if (self_ < rank) spreading_.insert(rank);
  Evidence& evidence = peers_[rank].evidence;
  evidence.kind = kind;
  evidence.by = by;
  evidence.lasted = lasted;
}

void Suspicion::weigh(Rank rank, const Detector& detector) {
  Peer& peer = peers_[rank];
  if (claims_.contains(rank) && !counted_.contains(rank)) {
    counted_.insert(rank);
    peer.isolated_since = detector.lived();
  }
  const Duration timeout = detector.timing().timeout;
  Evidence& evidence = peer.evidence;
  evidence.kind = Evidence::Kind::none;
  evidence.lasted = Duration{0};
  if (lost_.contains(rank) && !fenced_by_.contains(rank)) {
    evidence.kind = Evidence::Kind::link_lost;
  } else if (detector.silent(rank)) {
    // Its last echo is older than its last beat, but who is only deaf goes on beating.
    const bool quiet = detector.quiet_for(rank) >= detector.timing().contact();
    evidence.kind = quiet ? Evidence::Kind::silent : Evidence::Kind::deaf;
    evidence.lasted = quiet ? detector.quiet_for(rank) : detector.deaf_for(rank);
  } else if (counted_.contains(rank) && detector.lived() - peer.isolated_since >= timeout) {
    // For a whole timeout: all are isolated for a moment after the network itself has paused, and
    // rank 1 of two whenever rank 0 pauses.
    evidence.kind = Evidence::Kind::isolated;
    evidence.lasted = detector.lived() - peer.isolated_since;
  }
}

}  // namespace squall::membership
