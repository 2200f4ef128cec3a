// A turn's view of the others: heartbeats, evidence, who wants to come or to go.
#include <fmt/format.h>

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/log.h"
#include "core/engine/turn.h"
#include "core/membership/pulse.h"

namespace squall::engine {

using membership::Pulse;

void Turn::lose(Rank member, std::string_view reason) {
  stirred_ = true;
  if (member == self_ || phase_ == Phase::stopped || finished_) return;
  if (finishing_ && epoch_->excuse(member)) return;
  if (formed_once_ && !options_.fixed) return suspicion_->link_lost(member, reason);
  stop_without(member, reason);
}

void Turn::peer_finished(Rank member) {
  stirred_ = true;
  if (finishing_ && phase_ != Phase::stopped) finished_ |= epoch_->finish_behind_another();
  // Its last word to us may still have been queued when it went, and not every fabric tells that it
  // is gone.
  lose(member, "it has finished");
}

/// The first view is formed by all of its members or not at all, and a fixed one stays so.
void Turn::stop_without(Rank member, std::string_view reason) {
  log(Level::info, "member {} is lost: {}", view_.members[member].name, reason);
  if (failure_) return;
  lost_member_ = member;
  failure_ =
      Error{Code::lost, fmt::format("member {} was lost: {}", view_.members[member].name, reason),
            "start all members again"};
  last_deliveries();
  phase_ = Phase::stopped;
}

/// What is deliverable, and nothing else.
void Turn::last_deliveries() {
  static_cast<void>(epoch_->freeze(now_));
  while (epoch_->turn(now_, upcalls_, false).worked) {
  }
}

void Turn::watch(Time now) {
  watch_again(control_.turn(now));
  if (formed_once_) {
    for (Rank rank = 0; rank < view_.size() && !epoch_->frozen(); ++rank) {
      // Whoever suspects somebody has cut its mirrors: the rest of the group may need some time
      // yet to find out whom, and to lose the one who knew it first would be unfair.
      if (mirrors_lost_at_[rank] == not_lost || suspicion_->accuses(rank)) continue;
      const Duration broken_for = detector_->lived() - mirrors_lost_at_[rank];
      const Duration patience = options_.timing.timeout / 2;
      if (broken_for >= patience)
        lose(rank, "the connection that carries its mirrors broke");
      else
        watch_again(now + (patience - broken_for));
    }
    suspicion_->step(*detector_);
    for (Rank rank = 0; rank < view_.size() && !suspicion_->fresh().empty(); ++rank)
      if (suspicion_->fresh().contains(rank))
        log(Level::info, "{} is suspected: {}", view_.members[rank].name,
            suspicion_->evidence(rank).text(view_));
    if (options_.fixed && !suspicion_->suspects().empty()) {
      const Rank first = suspicion_->suspects().first();
      return stop_without(first, suspicion_->evidence(first).text(view_));
    }
    agreeing_ |=
        !suspicion_->suspects().empty() || suspicion_->accused_by_earlier() || !leavers_.empty();
    name_joiners(now);
  }
  const bool says_more = leaving_ && !drained_;
  if (says_more) prepare_to_leave();
  if (left_) return;
  if (suspicion_->asks() || !suspicion_->fresh().empty() || detector_->beat_due() ||
      (says_more && drained_)) {
    const bool ask = suspicion_->asks();
    const membership::Beat beat = detector_->next_beat();
    for (Rank rank = 0; rank < view_.size(); ++rank)
      if (rank != self_) send_pulse(rank, beat, ask, false);
  }
  isolated_ = detector_->isolated();
  watch_again(detector_->deadline());
  keep_majority(now);
}

/// State to those who join, or to this member.
void Turn::hand_over(Time now) {
  RankSet others;
  if (const auto channel = handover_.loading())
    for (const Rank rank : epoch_->place(*channel).members) others.insert(rank);
  others = others - suspicion_->suspects();
  others.erase(self_);
  const Handover::Application application{
      upcalls_, [this](const Installed& installed) { tell(installed); },
      [this](std::size_t channel, const Installed& installed) { tell(channel, installed); },
      [this](std::size_t channel, Rank from, Bytes posted) {
        if (on_post_[channel]) on_post_[channel](from, posted);
      }};
  outcome_.worked |= handover_.turn(now, view_, heard() & others, others, application);
  note(handover_.deadline());
  if (handover_.failure()) stop(*handover_.failure());
}

/// Who can be talked to, suspected or not; this member included.
RankSet Turn::heard() const {
  RankSet heard;
  for (Rank rank = 0; rank < view_.size(); ++rank)
    if (rank == self_ || (control_.up(rank) && detector_->in_contact(rank))) heard.insert(rank);
  return heard;
}

void Turn::sponsor(std::vector<membership::Joiner> joiners) {
  if (joiners == sponsored_) return;
  sponsored_ = std::move(joiners);
  names_joiners_ = stirred_ = true;
}

void Turn::name_joiners(Time now) {
  if (!sponsored_.empty() && (names_joiners_ || detector_->beat_due())) {
    names_joiners_ = false;
    const Rank leader = membership::coordinator_of(suspicion_->suspects(), view_.size());
    for (const membership::Joiner& joiner : sponsored_) {
      if (leader == self_) {
        applicants_.named(joiner, now);
        continue;
      }
      Writer writer;
      membership::encode(writer, joiner);
      control_.send(leader, Control::Kind::joiner, writer.bytes());
    }
  }
  applicants_.forget(now, forgotten_after * options_.timing.interval);
  agreeing_ |= phase_ == Phase::running && applicants_.any(view_);
}

void Turn::prepare_to_leave() {
  if (phase_ != Phase::running || handover_.diverts() || !epoch_->drained()) return;
  drained_ = true;
  if (view_.size() == 1) {
    left_ = true;
    phase_ = Phase::stopped;
  }
  leavers_.insert(self_);
}

void Turn::send_pulse(Rank to, membership::Beat beat, bool answer, bool wakes) {
  Pulse pulse;
  pulse.view = view_.id;
  pulse.beat = beat;
  pulse.echo = detector_->echo_for(to);
  const Pulse plain = pulse;
  pulse.suspects = suspicion_->suspects();
  pulse.spreading = suspicion_->spreading();
  pulse.isolated = detector_->isolated();
  pulse.answer = answer;
  pulse.leaving = drained_;
  pulse.arriving = handover_.arriving();
  pulse.closing = closing_;
  Writer writer;
  membership::encode(writer, pulse);
  // Everybody turns once in an interval: that all is well is no reason to wake them.
  if (!wakes && pulse == plain)
    control_.send_quietly(to, Control::Kind::pulse, writer.bytes());
  else
    control_.send(to, Control::Kind::pulse, writer.bytes());
}

void Turn::keep_majority(Time now) {
  // Once it is decided, what is left to do needs nobody; and the others may be in the next view.
  if (!formed_once_ || closing_ || !detector_->isolated()) {
    majority_lived_ = detector_->lived();
    return;
  }
  // Lived time: after a pause of the whole machine everybody is isolated, and may wait a while yet.
  const Duration without = detector_->lived() - majority_lived_;
  if (without < options_.patience) return watch_again(now + (options_.patience - without));
  std::string whom;
  for (Rank rank = 0; rank < view_.size(); ++rank) {
    if (rank == self_ || detector_->in_contact(rank)) continue;
    const auto& evidence = suspicion_->evidence(rank);
    whom += fmt::format(
        "{}member {} was lost: {}", whom.empty() ? "" : "; ", view_.members[rank].name,
        evidence.kind == membership::Evidence::Kind::none ? "silent" : evidence.text(view_));
  }
  stop(Error{Code::lost, fmt::format("no majority of the view is left: {}", whom),
             "the others may have gone on; start this member again to join them"});
}

void Turn::look_into_channels() {
  if (const auto culprit = epoch_->culprit()) blame(*culprit);
  if (epoch_->adrift())
    stop({Code::lost,
          "no member is left that could say where the order of the group's messages stands",
          "start this member again"});
}

void Turn::blame(Rank culprit) {
  constexpr std::string_view damage =
      "its counters or frames cannot be right: its memory is damaged or it runs other code";
  if (closing_)
    return stop(Error{Code::lost, fmt::format("member {}: {}", view_.members[culprit].name, damage),
                      "what it sent cannot be delivered here; start this member again"});
  lose(culprit, damage);
}

}  // namespace squall::engine
