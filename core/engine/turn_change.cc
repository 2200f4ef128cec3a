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
  fabric_.flush();  // the pulse that says why leaves before the mirrors are cut
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
  membership::Change change = membership::make_change(
      view_, kept, leaving, applicants_.admissible(view_, kept.size()), std::move(*trim));
  if (options_.seat) options_.seat(&view_, change.next);
  return change;
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
    closing_ = false;
    untold_ = change.kept;
    leave_by_ = now + options_.patience;
    ask_untold();
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
  save_for_newcomers(change);
  auto inheritance = inherit(change);
  if (!inheritance) return stop(inheritance.error());
  const NodeId me = view_.members[self_].id;
  handover_.view_changed(view_, change.next);
  const View before = std::exchange(view_, change.next);
  self_ = *view_.rank_of(me);
  take_seats(before);
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
  else
    tell(installed);
  begin(now, std::move(*inheritance));
}

/// The application is in this view from here on, but for channels whose messages are kept.
void Turn::tell(const Installed& installed) {
  told_ = installed.view;
  if (on_view_) on_view_(installed);
  for (std::size_t channel = 0; channel < plans_.size(); ++channel)
    if (!handover_.keep(channel, installed)) tell(channel, installed);
}

void Turn::tell(std::size_t channel, const Installed& installed) {
  if (!on_channel_view_[channel]) return;
  const auto me = installed.view.rank_of(view_.members[self_].id);
  if (place_in(installed.view, channel, plans_[channel], *me).self)
    on_channel_view_[channel](installed);
}

std::string Turn::why_gone(const membership::Change& change, Rank rank) const {
  if (change.leaving.contains(rank)) return "on request";
  const membership::Evidence& evidence = suspicion_->evidence(rank);
  if (evidence.kind == membership::Evidence::Kind::none) return "lost by the others";
  return evidence.text(view_);
}

/// What this member knows of a channel when it begins anew.
multicast::Past Turn::past_of(const Place& was, const Place& is, const multicast::Past& past,
                              const membership::Change& change) const {
  multicast::Past next;
  if (is.fresh) next.position = 0;
  if (!was.self) return next;
  next.position = past.position;
  if (options_.bug == membership::Bug::restart_positions) next.position = 0;
  for (const Rank sender : is.senders) {
    const auto old = view_.rank_of(change.next.members[is.members[sender]].id);
    const auto at =
        std::ranges::find_if(was.senders, [&](Rank place) { return was.members[place] == old; });
    const auto number = static_cast<std::size_t>(at - was.senders.begin());
    next.next_numbers.push_back(number < past.next_numbers.size() ? past.next_numbers[number] : 0);
  }
  return next;
}

/// Takes the state of the channels that stay here for those who come into them.
void Turn::save_for_newcomers(const membership::Change& change) {
  const View& next = change.next;
  const auto was_there = [&](const Member& member) -> std::optional<Rank> {
    const auto rank = view_.rank_of(member.id);
    if (rank && view_.members[*rank].incarnation == member.incarnation) return rank;
    return std::nullopt;
  };
  const Rank me = *next.rank_of(view_.members[self_].id);
  std::map<Rank, std::vector<std::size_t>> newcomers;
  for (std::size_t index = 0; index < plans_.size(); ++index) {
    const Place was = place(index);
    const Place is = place_in(next, index, plans_[index], me);
    // Who has no state yet has none to give.
    if (!was.self || !is.self || handover_.arriving_in(index)) continue;
    for (const Rank rank : is.members) {
      const auto before = was_there(next.members[rank]);
      if (!before || !was.has(*before)) newcomers[rank].push_back(index);
    }
  }
  for (const auto& [rank, channels] : newcomers)
    handover_.save_for(next.members[rank], next.id, channels,
                       options_.bug == membership::Bug::save_late);
}

/// The channels that this member has come into with this view, or that it is in no more.
void Turn::take_seats(const View& before) {
  const Rank was_me = *before.rank_of(view_.members[self_].id);
  for (std::size_t index = 0; index < plans_.size(); ++index) {
    const bool was = place_in(before, index, plans_[index], was_me).self.has_value();
    const Place is = place(index);
    if (is.self && !was && !is.fresh) handover_.entered(view_.id, index);
    if (!is.self && was) handover_.left(index);
  }
}

/// Takes down the epoch, and keeps of it what the next one needs.
Result<Epoch::Inheritance> Turn::inherit(const membership::Change& change) {
  Epoch::Inheritance next;
  // Survivors and leavers have cut their mirrors before they promised. Who is neither may be
  // stopped in the middle of a delivery, with our ring before it.
  const bool left_behind = change.survivors() != RankSet::all(view_.size());
  const bool renews = left_behind && fabric_.capabilities().lends;
  const std::vector<multicast::Past> pasts = epoch_->pasts();
  epoch_.reset();
  const Rank me = *change.next.rank_of(view_.members[self_].id);
  for (std::size_t index = 0; index < plans_.size(); ++index) {
    const Place was = place(index);
    const Place is = place_in(change.next, index, plans_[index], me);
    mirror::RingWriter* const ring = writer(index);
    for (std::size_t sender = 0; was.self && sender < was.senders.size(); ++sender) {
      if (was.senders[sender] != *was.self) continue;
      ring->rewind(options_.bug == membership::Bug::lose_trimmed ? mirror::no_round
                                                                 : change.trim[index][sender]);
      if (!renews) continue;
      if (mirror::Outbox* const objects = outbox(index)) objects->leave_as_they_are();
      if (auto renewed = ring->renew(); !renewed) return tl::unexpected(renewed.error());
    }
    next.writers.push_back(is.self ? ring : nullptr);
    next.homes.push_back(home(index, is.self.has_value()));
    next.pasts.push_back(past_of(was, is, pasts[index], change));
  }
  return next;
}

}  // namespace squall::engine
