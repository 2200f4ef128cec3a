#include "core/engine/turn.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/log.h"
#include "core/membership/ballot_wire.h"
#include "core/membership/pulse.h"
#include "core/membership/trim.h"

namespace squall::engine {

using membership::Message;
using membership::Pulse;

namespace {

/// Joiners are named with every heartbeat; who misses several of them is forgotten.
constexpr int forgotten_after = 5;

}  // namespace

Turn::Turn(fabric::Fabric& fabric, View view, Rank self, std::vector<Contact> contacts,
           std::vector<ChannelPlan> plans, const Options& options, Time now)
    : fabric_(fabric),
      options_(options),
      view_(std::move(view)),
      self_(self),
      contacts_(std::move(contacts)),
      plans_(std::move(plans)),
      writers_(plans_.size()),
      upcalls_(plans_.size()),
      control_(fabric) {
  SQUALL_ASSERT(self_ < view_.size() && contacts_.size() == view_.size(), "one contact per member");
  Epoch::Inheritance first;
  for (std::size_t index = 0; index < plans_.size(); ++index) {
    if (plans_[index].sends(view_.members[self_].id)) {
      auto writer = mirror::RingWriter::create(plans_[index].ring_bytes);
      if (!writer) {
        stop(writer.error());
        return;
      }
      writers_[index] = std::move(*writer);
    }
    first.writers.push_back(writers_[index].get());
    // A joiner learns from the others where the order stands.
    if (options_.joins)
      first.pasts.emplace_back();
    else
      first.pasts.push_back({{}, 0});
  }
  formed_once_ = options_.joins;
  begin(now, std::move(first));
}

Turn::~Turn() = default;

/// Everything that is built from a view, anew.
void Turn::begin(Time now, Epoch::Inheritance inheritance) {
  phase_ = Phase::forming;
  stirred_ = true;
  isolated_ = false;
  const Rank members = view_.size();
  detector_.emplace(members, self_, options_.timing, now);
  suspicion_.emplace(members, self_);
  agreement_.emplace(
      view_, self_,
      [this](const RankSet& survivors, const std::map<Rank, membership::Frozen>& frozen) {
        return propose(survivors, frozen);
      },
      options_.seed ^ raw(view_.id), options_.bug);
  mirrors_lost_at_.assign(members, never);
  closing_ = agreeing_ = drained_ = false;
  leavers_ = {};
  majority_at_ = now;
  control_.move_to(view_, self_, contacts_, now);
  auto epoch = Epoch::create(fabric_, view_, self_, contacts_, plans_, std::move(inheritance));
  if (!epoch) return stop(epoch.error());
  epoch_ = std::move(*epoch);
  // What a joiner gave for its address may be anything: that costs the group no more than it.
  for (const auto& [rank, error] : epoch_->unreachable()) {
    const std::string why = fmt::format("cannot connect to {} over {}: {}",
                                        view_.members[rank].name, fabric_.name(), error.what);
    const bool came = entry_ && rank + entry_->joiners.size() >= view_.size();
    if (!came) return stop({error.code, why, error.remedy});
    lose(rank, why);
  }
}

Turn::Outcome Turn::run(Time now, std::span<const fabric::Event> events) {
  outcome_ = {!events.empty(), never};
  now_ = now;
  if (phase_ == Phase::stopped) {
    if (left_) answer_late(now, events);
    return outcome_;
  }
  detector_->turned(now);
  for (const fabric::Event& event : events) handle(now, event);
  // Between heartbeats, and while nobody says anything, membership costs a message nothing.
  if (phase_ != Phase::stopped && !finished_ && (stirred_ || now >= watch_due_)) {
    stirred_ = leaving_ && !drained_;
    watch_due_ = never;
    watch(now);
  }
  note(watch_due_);
  if (phase_ != Phase::stopped && agreeing_ && !closing_ && !finished_) agree(now);
  if (phase_ == Phase::stopped) return outcome_;

  const auto turned = epoch_->turn(now, upcalls_, !closing_ && isolated_);
  outcome_.worked |= turned.worked;
  note(turned.deadline);
  // Whose heartbeats cannot come yet would soon look silent.
  if (phase_ == Phase::forming && epoch_->running() && control_.all_up(self_)) {
    phase_ = Phase::running;
    formed_once_ = stirred_ = true;
    outcome_.worked = true;
  }
  if (const auto culprit = epoch_->culprit()) blame(*culprit);
  if (finishing_ && phase_ == Phase::running) {
    outcome_.worked |= epoch_->finish();
    finished_ = epoch_->finished();
  }
  if (closing_ && phase_ != Phase::stopped && epoch_->exhausted()) install(now);
  return outcome_;
}

// --- what arrives

void Turn::handle(Time now, const fabric::Event& event) {
  using Kind = fabric::Event::Kind;
  if (event.kind == Kind::completed) return control_.completed(event.token);
  if (control_.knows(event.peer)) {
    stirred_ = true;
    const auto rank = control_.rank_of(event.peer);
    if (event.kind == Kind::connected) {
      control_.connected(event.peer);
    } else if (event.kind == Kind::message) {
      on_control(now, event.peer, rank, event.bytes);
    } else if (event.kind == Kind::lost) {
      control_.lost(event.peer, now);
      if (rank) lose(*rank, event.text);
    }
  } else if (const auto rank = epoch_->rank_of(event.peer)) {
    if (event.kind == Kind::lost) {
      epoch_->lose(*rank);
      // Not evidence by itself: whoever freezes cuts its mirrors, and says why a moment later.
      mirrors_lost_at_[*rank] = std::min(mirrors_lost_at_[*rank], now);
      stirred_ = true;
      if (!formed_once_ || options_.fixed) lose(*rank, event.text);
    } else if (auto handled = epoch_->handle(*rank, event); !handled) {
      stop(handled.error());
    }
  }
}

void Turn::on_control(Time now, fabric::PeerId peer, std::optional<Rank> from, Bytes message) {
  if (message.empty()) return;
  const auto kind = static_cast<Control::Kind>(message.front());
  const Bytes body = message.subspan(1);
  if (kind == Control::Kind::pulse) {
    const auto pulse = membership::decode_pulse(body);
    if (!pulse) return malformed(from, pulse.error());
    if (raw(pulse->view) < raw(view_.id)) return answer_old_view(peer);
    if (from && pulse->view == view_.id) on_pulse(now, *from, *pulse);
  } else if (kind == Control::Kind::ballot) {
    const auto ballot = membership::decode_message(body);
    if (!ballot) return malformed(from, ballot.error());
    if (raw(ballot->view) < raw(view_.id)) return answer_old_view(peer);
    if (from) on_ballot(*from, *ballot);
  } else if (kind == Control::Kind::joiner && from) {
    Reader reader(body);
    const auto joiner = membership::decode_joiner(reader);
    if (!reader.done()) return malformed(from, {Code::invalid, "a joiner's name is garbled", ""});
    applicants_.named(joiner, now);
  }
}

void Turn::malformed(std::optional<Rank> from, const Error& error) {
  log(Level::warning, "{} sent what is no control message: {}",
      from ? view_.members[*from].name : "a former member", error.text());
}

void Turn::on_pulse(Time now, Rank from, const Pulse& pulse) {
  // One that overtook a newer one says nothing.
  if (detector_->heard(from, pulse.beat, pulse.echo, now)) {
    suspicion_->pulse(from, pulse);
    if (pulse.leaving) leavers_.insert(from);
  }
  if (pulse.answer) send_pulse(from, detector_->extra_beat(), false);
}

void Turn::on_ballot(Rank from, const Message& ballot) {
  if (raw(ballot.view) > raw(view_.id)) {
    // Two views on: the one between was decided without this member.
    if (ballot.kind == Message::Kind::decided) expelled();
    return;
  }
  agreeing_ = true;
  if (auto received = agreement_->receive(from, ballot); !received)
    log(Level::warning, "{}: {}", view_.members[from].name, received.error().text());
}

/// Who has left still says what the others decided, to whoever missed it.
void Turn::answer_late(Time now, std::span<const fabric::Event> events) {
  for (const fabric::Event& event : events) {
    if (!control_.knows(event.peer)) continue;
    if (event.kind == fabric::Event::Kind::lost) control_.lost(event.peer, now);
    if (event.kind == fabric::Event::Kind::message) answer_old_view(event.peer);
  }
}

/// Whoever is still in an earlier view learns how the last one began.
void Turn::answer_old_view(fabric::PeerId peer) {
  if (!last_decision_.empty()) control_.send(peer, Control::Kind::ballot, last_decision_);
}

// --- who is there

void Turn::lose(Rank member, std::string_view reason) {
  stirred_ = true;
  if (member == self_ || phase_ == Phase::stopped || finished_) return;
  if (finishing_ && epoch_->excused(member)) return epoch_->lose(member);
  if (formed_once_ && !options_.fixed) return suspicion_->link_lost(member, reason);
  stop_without(member, reason);
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
      if (mirrors_lost_at_[rank] == never) continue;
      const Time patience = mirrors_lost_at_[rank] + options_.timing.timeout / 2;
      if (now >= patience)
        lose(rank, "the connection that carries its mirrors broke");
      else
        watch_again(patience);
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
      if (rank != self_) send_pulse(rank, beat, ask);
  }
  isolated_ = detector_->isolated();
  watch_again(detector_->deadline());
  keep_majority(now);
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
  if (phase_ != Phase::running || !epoch_->drained()) return;
  drained_ = true;
  if (view_.size() == 1) {
    left_ = true;
    phase_ = Phase::stopped;
  }
  leavers_.insert(self_);
}

void Turn::send_pulse(Rank to, membership::Beat beat, bool answer) {
  Pulse pulse;
  pulse.view = view_.id;
  pulse.beat = beat;
  pulse.echo = detector_->echo_for(to);
  pulse.suspects = suspicion_->suspects();
  pulse.spreading = suspicion_->spreading();
  pulse.isolated = detector_->isolated();
  pulse.answer = answer;
  pulse.leaving = drained_;
  Writer writer;
  membership::encode(writer, pulse);
  control_.send(to, Control::Kind::pulse, writer.bytes());
}

void Turn::keep_majority(Time now) {
  if (!formed_once_ || !detector_->isolated()) {
    majority_at_ = now;
    return;
  }
  if (now < majority_at_ + options_.patience) return watch_again(majority_at_ + options_.patience);
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

void Turn::blame(Rank culprit) {
  constexpr std::string_view damage =
      "its counters or frames cannot be right: its memory is damaged or it runs other code";
  if (closing_)
    return stop(Error{Code::lost, fmt::format("member {}: {}", view_.members[culprit].name, damage),
                      "what it sent cannot be delivered here; start this member again"});
  lose(culprit, damage);
}

// --- the end of a view

void Turn::agree(Time now) {
  membership::Situation situation;
  situation.suspects = suspicion_->suspects();
  for (Rank rank = 0; rank < view_.size(); ++rank)
    if (rank == self_ || (control_.up(rank) && detector_->in_contact(rank)))
      situation.heard.insert(rank);
  situation.quiet = suspicion_->accused_by_earlier();
  situation.wants_change =
      !leavers_.empty() || (phase_ == Phase::running && applicants_.any(view_));
  situation.patience = options_.timing.interval;
  agreement_->turn(now, situation);
  if (!epoch_->frozen() && (agreement_->wants_freeze() || situation.quiet)) {
    phase_ = Phase::changing;
    agreement_->freeze(epoch_->freeze(now));
    epoch_->cut();
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
  if (!epoch_->close(change->trim))
    return stop(Error{Code::invalid, "the agreed trim is not of what this member holds",
                      "this is a defect of the library: please report it"});
  closing_ = true;
}

membership::Change Turn::propose(const RankSet& survivors,
                                 const std::map<Rank, membership::Frozen>& frozen) const {
  auto trim = membership::trim_of(frozen, options_.bug);
  SQUALL_ASSERT(trim, "promises of one shape");
  // A view has members: when all want to go at once, the coordinator goes last.
  RankSet leaving = leavers_ & survivors;
  if (leaving == survivors) leaving.erase(self_);
  const RankSet kept = survivors - leaving;
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
  Epoch::Inheritance inheritance = inherit(change);
  const NodeId me = view_.members[self_].id;
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
  if (on_view_) on_view_({view_, std::move(gone), std::move(came)});
  begin(now, std::move(inheritance));
}

std::string Turn::why_gone(const membership::Change& change, Rank rank) const {
  if (change.leaving.contains(rank)) return "on request";
  const membership::Evidence& evidence = suspicion_->evidence(rank);
  if (evidence.kind == membership::Evidence::Kind::none) return "lost by the others";
  return evidence.text(view_);
}

/// Takes down the epoch, and keeps of it what the next one needs.
Epoch::Inheritance Turn::inherit(const membership::Change& change) {
  Epoch::Inheritance next;
  const std::vector<multicast::Past> pasts = epoch_->pasts();
  epoch_.reset();
  for (std::size_t index = 0; index < plans_.size(); ++index) {
    const std::vector<Rank> before = plans_[index].senders_in(view_);
    multicast::Past past{{}, pasts[index].position};
    for (const Rank rank : plans_[index].senders_in(change.next)) {
      const auto old = view_.rank_of(change.next.members[rank].id);
      const auto at = std::ranges::find(before, old.value_or(view_.size()));
      const auto number = static_cast<std::size_t>(at - before.begin());
      past.next_numbers.push_back(
          number < pasts[index].next_numbers.size() ? pasts[index].next_numbers[number] : 0);
    }
    for (std::size_t sender = 0; sender < before.size(); ++sender)
      if (before[sender] == self_) writers_[index]->rewind(change.trim[index][sender]);
    next.writers.push_back(writers_[index].get());
    next.pasts.push_back(std::move(past));
  }
  return next;
}

void Turn::stop(Error error) {
  if (!failure_) failure_ = std::move(error);
  phase_ = Phase::stopped;
}

void Turn::on_deliver(std::size_t channel, multicast::DeliverFunction upcall) {
  upcalls_[channel] = std::move(upcall);
}

std::string Turn::waiting_for() const {
  if (!epoch_) return {};
  RankSet missing = epoch_->missing();
  for (Rank rank = 0; rank < view_.size(); ++rank)
    if (rank != self_ && !control_.up(rank)) missing.insert(rank);
  return names_of(missing);
}

std::string Turn::unfinished() const {
  return names_of(epoch_ ? epoch_->unfinished() : RankSet{});
}

std::string Turn::names_of(const RankSet& ranks) const {
  std::string names;
  for (Rank rank = 0; rank < view_.size(); ++rank)
    if (ranks.contains(rank))
      names += fmt::format("{}{}", names.empty() ? "" : ", ", view_.members[rank].name);
  return names;
}

}  // namespace squall::engine
