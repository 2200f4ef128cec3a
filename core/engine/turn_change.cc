// How one view gives way to the next: the freeze, the agreement, and what the next one inherits.
#include <fmt/format.h>

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/log.h"
#include "core/engine/turn.h"
#include "core/membership/ballot_wire.h"
#include "core/membership/trim.h"

namespace squall::engine {

using membership::Message;

void Turn::agree(Time now) {
  membership::Situation situation;
  situation.suspects = suspicion_->suspects();
  situation.heard = heard();
  situation.quiet = suspicion_->accused_by_earlier();
  situation.wants_change =
      !leavers_.empty() || (phase_ == Phase::running && applicants_.any(view_));
  situation.patience = options_.timing.interval;
  agreement_->turn(now, situation);
  if (phase_ != Phase::changing && (agreement_->wants_freeze() || situation.quiet)) {
    phase_ = Phase::changing;
    freeze(now);
    agreement_->turn(now, situation);
  }
  for (const auto& [to, message] : agreement_->take_outgoing()) {
    control_.send(to, Control::Kind::ballot, membership::encode(message));
    outcome_.worked = true;
  }
  note(agreement_->deadline());
  const membership::Change* change = agreement_->decided();
  if (change == nullptr) return;
  if (!change->survivors().contains(self_)) return expelled();
  if (options_.bug == membership::Bug::freeze_late) {
    static_cast<void>(epoch_->freeze(now));
    epoch_->cut();
  }
  const bool ignores = options_.bug == membership::Bug::ignore_trim;
  if (!epoch_->close(ignores ? epoch_->freeze(now).received : change->trim))
    return stop(Error{Code::invalid, "the agreed trim is not of what this member holds",
                      "this is a defect of the library: please report it"});
  closing_ = true;
}

void Turn::freeze(Time now) {
  if (options_.bug == membership::Bug::freeze_late) return agreement_->freeze(epoch_->held());
  agreement_->freeze(epoch_->freeze(now));
  epoch_->cut();
}

membership::Change Turn::propose(const RankSet& survivors,
                                 const std::map<Rank, membership::Frozen>& frozen) const {
  // A view has members: when all want to go at once, the coordinator goes last.
  RankSet leaving = leavers_ & survivors;
  if (leaving == survivors) leaving.erase(self_);
  const RankSet kept = survivors - leaving;
  std::map<Rank, membership::Frozen> asked = frozen;
  if (options_.bug == membership::Bug::forget_leaver)
    std::erase_if(asked, [&](const auto& each) { return leaving.contains(each.first); });
  auto trim = membership::trim_of(asked, options_.bug);
  SQUALL_ASSERT(trim, "promises of one shape");
  return membership::make_change(view_, kept, leaving, applicants_.admissible(view_, kept.size()),
                                 std::move(*trim));
}

void Turn::expelled() {
  fabric_.flush();  // what it has to tell before it stops
  stop(Error{Code::lost, "the others have gone on without this member: they had lost it",
             "start it again to join them"});
}

void Turn::install(Time now) {
  membership::Change change = *agreement_->decided();
  Message decided;
  decided.kind = Message::Kind::decided;
  decided.view = view_.id;
  decided.change = change;
  last_decision_ = membership::encode(decided);
  if (change.leaving.contains(self_)) {
    left_ = true;
    phase_ = Phase::stopped;
    fabric_.flush();
    return;
  }

  std::vector<std::string> gone;
  std::vector<Contact> contacts;
  for (Rank rank = 0; rank < view_.size(); ++rank) {
    if (change.kept.contains(rank))
      contacts.push_back(std::move(contacts_[rank]));
    else
      gone.push_back(fmt::format("{}: {}", view_.members[rank].name, why_gone(change, rank)));
  }
  handover_.save_for(change, options_.bug == membership::Bug::save_late);
  auto inheritance = inherit(change);
  if (!inheritance) return stop(inheritance.error());
  const NodeId me = view_.members[self_].id;
  handover_.view_changed(view_, change.next);
  view_ = change.next;
  self_ = *view_.rank_of(me);
  std::vector<std::string> came;
  for (const membership::Joiner& joiner : change.joiners) {
    const auto rank = static_cast<Rank>(contacts.size());
    contacts.push_back(
        {joiner.fabric_address, membership::secret_between(change, self_, rank), joiner.host});
    came.push_back(joiner.member.name);
  }
  applicants_.came(change.joiners, now + forgotten_after * options_.timing.interval);
  contacts_ = std::move(contacts);
  entry_ = std::move(change);
  outcome_.worked = true;
  const Installed installed{view_, std::move(gone), std::move(came)};
  if (handover_.keeps())
    handover_.keep(installed);
  else if (on_view_)
    on_view_(installed);
  begin(now, std::move(*inheritance));
}

std::string Turn::why_gone(const membership::Change& change, Rank rank) const {
  if (change.leaving.contains(rank)) return "on request";
  const membership::Evidence& evidence = suspicion_->evidence(rank);
  if (evidence.kind == membership::Evidence::Kind::none) return "lost by the others";
  return evidence.text(view_);
}

/// Takes down the epoch, and keeps of it what the next one needs.
Result<Epoch::Inheritance> Turn::inherit(const membership::Change& change) {
  Epoch::Inheritance next;
  // Survivors and leavers have cut their mirrors before they promised. Who is neither may be
  // stopped in the middle of a delivery, with our ring before it.
  const bool left_behind = change.survivors() != RankSet::all(view_.size());
  const bool renews = left_behind && fabric_.capabilities().maps;
  const std::vector<multicast::Past> pasts = epoch_->pasts();
  epoch_.reset();
  for (std::size_t index = 0; index < plans_.size(); ++index) {
    const std::vector<Rank> before = plans_[index].senders_in(view_);
    multicast::Past past{{}, pasts[index].position};
    if (options_.bug == membership::Bug::restart_positions) past.position = 0;
    for (const Rank rank : plans_[index].senders_in(change.next)) {
      const auto old = view_.rank_of(change.next.members[rank].id);
      const auto at = std::ranges::find(before, old.value_or(view_.size()));
      const auto number = static_cast<std::size_t>(at - before.begin());
      past.next_numbers.push_back(
          number < pasts[index].next_numbers.size() ? pasts[index].next_numbers[number] : 0);
    }
    for (std::size_t sender = 0; sender < before.size(); ++sender) {
      if (before[sender] != self_) continue;
      writers_[index]->rewind(options_.bug == membership::Bug::lose_trimmed
                                  ? mirror::no_round
                                  : change.trim[index][sender]);
      if (!renews) continue;
      if (auto renewed = writers_[index]->renew(); !renewed) return tl::unexpected(renewed.error());
    }
    next.writers.push_back(writers_[index].get());
    next.pasts.push_back(std::move(past));
  }
  return next;
}

}  // namespace squall::engine
