#include "core/membership/detector.h"

#include <algorithm>

#include "core/base/assert.h"

namespace squall::membership {

Detector::Detector(Rank members, Rank self, const Timing& timing, Time now)
    : members_(members),
      self_(self),
      timing_(timing),
      phase_(self * timing.interval / members),
      peers_(members),
      contact_(RankSet::all(members)),
      now_(now),
      due_(now) {
  SQUALL_ASSERT(members <= max_members && self < members, "a member of the view");
  SQUALL_ASSERT(check(timing).has_value(), "the timing was checked");
  for (Peer& peer : peers_) peer.echo_at = now;
  expire();
}

void Detector::turned(Time now) {
  if (now <= now_) return;
  // A node that runs, turns once per interval at least. The second interval is for being scheduled.
  lived_ += std::min(now - now_, 2 * timing_.interval);
  now_ = now;
  if (now_ >= expires_) expire();
}

bool Detector::heard(Rank from, Beat beat, Beat echo, Time now) {
  SQUALL_ASSERT(from < members_ && from != self_, "a peer of the view");
  turned(now);
  Peer& peer = peers_[from];
  const bool newer = beat > peer.beat;
  if (newer) {
    peer.beat = beat;
    peer.beat_lived = lived_;
  }
  if (echo > peer.echo && echo <= newest_) {
    peer.echo = echo;
    peer.echo_lived = lived_;
    peer.echo_at = now_;
  }
  judge_heard(from);
  return newer;
}

void Detector::on_its_way(Rank from, Time now) {
  SQUALL_ASSERT(from < members_ && from != self_, "a peer of the view");
  turned(now);
  Peer& peer = peers_[from];
  peer.beat_lived = peer.echo_lived = lived_;
  peer.echo_at = now_;
  judge_heard(from);
}

Beat Detector::next_beat() {
  const Duration since = now_.time_since_epoch() + timing_.interval - phase_;
  due_ = Time{} + phase_ + since / timing_.interval * timing_.interval;
  // What was noted when an older echo came would wake this node for nothing before that.
  expire();
  return ++newest_;
}

bool Detector::answered_by_majority(Beat since) const {
  RankSet answered;
  for (Rank rank = 0; rank < members_; ++rank)
    if (rank == self_ || peers_[rank].echo > since) answered.insert(rank);
  return is_majority(answered, members_);
}

void Detector::judge_heard(Rank from) {
  const bool was_isolated = isolated();
  judge(from);
  if (!was_isolated || isolated()) return;
  for (Peer& peer : peers_)
    peer.echo_lived = std::max(peer.echo_lived, lived_ - timing_.timeout + timing_.contact());
  expire();
}

void Detector::judge(Rank rank) {
  const Peer& peer = peers_[rank];
  const Duration silence = lived_ - peer.echo_lived;
  if (silence >= timing_.timeout) {
    silent_.insert(rank);
  } else {
    silent_.erase(rank);
    // Lived time is never faster than the clock, so this is never late.
    expires_ = std::min(expires_, now_ + (timing_.timeout - silence));
  }
  const Time contact_ends = peer.echo_at + timing_.contact();
  if (now_ >= contact_ends) {
    contact_.erase(rank);
  } else {
    contact_.insert(rank);
    expires_ = std::min(expires_, contact_ends);
  }
}

void Detector::expire() {
  expires_ = never;
  for (Rank rank = 0; rank < members_; ++rank)
    if (rank != self_) judge(rank);
}

}  // namespace squall::membership
