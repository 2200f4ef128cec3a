#include "core/engine/turn.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/base/assert.h"
#include "core/base/log.h"
#include "core/membership/ballot_wire.h"
#include "core/membership/pulse.h"

namespace squall::engine {

using membership::Message;
using membership::Pulse;

namespace {

/// Names for the memory of a channel's large objects, which no view's tables and rings have: those
/// that it sends, and the places for those that come.
fabric::RegionId objects_region(std::size_t channel, bool places) {
  return static_cast<fabric::RegionId>(std::uint64_t{1} << 63 | std::uint64_t{places} << 62 |
                                       std::uint64_t{channel} << 40);
}

}  // namespace

Turn::Turn(fabric::Fabric& fabric, View view, Rank self, std::vector<Contact> contacts,
           std::vector<ChannelPlan> plans, const Options& options, Time now)
    : fabric_(fabric),
      options_(options),
      view_(std::move(view)),
      told_(view_),
      self_(self),
      contacts_(std::move(contacts)),
      plans_(std::move(plans)),
      writers_(plans_.size()),
      outboxes_(plans_.size()),
      upcalls_(plans_.size()),
      on_channel_view_(plans_.size()),
      on_post_(plans_.size()),
      control_(fabric),
      handover_(control_, plans_.size(), fabric.capabilities().max_message_bytes,
                options.timing.timeout / 4),
      // Heartbeats go out between turns.
      pace_(options.clock, options.timing.interval / 2) {
  SQUALL_ASSERT(self_ < view_.size() && contacts_.size() == view_.size(), "one contact per member");
  Epoch::Inheritance first;
  std::vector<std::size_t> older;  // channels that this member has come into
  for (std::size_t index = 0; index < plans_.size(); ++index) {
    auto& writer = writers_[plans_[index].ring.value_or(index)];
    if (!writer && plans_[index].sends(view_.members[self_].id)) {
      auto made = mirror::RingWriter::create(plans_[index].ring_bytes);
      if (!made) {
        stop(made.error());
        return;
      }
      writer = std::move(*made);
      if (plans_[index].large_bytes != 0)
        outboxes_[plans_[index].ring.value_or(index)] = std::make_unique<mirror::Outbox>(
            *writer, plans_[index].large_bytes, objects_region(index, false));
    }
    places_.push_back(mirror::Pool::create(plans_[index].large_bytes, objects_region(index, true)));
    const Place here = place(index);
    first.writers.push_back(here.self ? writer.get() : nullptr);
    first.homes.push_back(home(index, here.self.has_value()));
    // A joiner learns from the others where the order stands.
    const bool learns = options_.joins && !here.fresh;
    if (learns && here.self) older.push_back(index);
    if (learns && options_.bug != membership::Bug::joiner_at_zero)
      first.pasts.emplace_back();
    else
      first.pasts.push_back({{}, 0});
  }
  formed_once_ = options_.joins;
  if (options_.joins) handover_.joined(view_.id, older);
  begin(now, std::move(first));
}

Turn::~Turn() = default;

/// What outlives views of a channel's large objects.
multicast::bulk::Home Turn::home(std::size_t channel, bool is_in) {
  if (plans_[channel].large_bytes == 0) return {};
  return {plans_[channel].bulk, is_in ? outbox(channel) : nullptr, places_[channel].get(),
          &transit_};
}

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
  mirrors_lost_at_.assign(members, not_lost);
  closing_ = agreeing_ = drained_ = false;
  leavers_ = {};
  majority_lived_ = detector_->lived();
  control_.move_to(view_, self_, contacts_, now);
  auto epoch =
      Epoch::create(fabric_, view_, self_, contacts_, plans_, std::move(inheritance), pace_);
  if (!epoch) return stop(epoch.error());
  epoch_ = std::move(*epoch);
  // Who died while the view before ended is not to be waited for until the timeout.
  for (Rank rank = 0; rank < members && formed_once_; ++rank)
    if (const auto why = control_.broken(rank); !why.empty() && rank != self_) lose(rank, why);
  // What a joiner gave for its address may be anything: that costs the group no more than it.
  for (const auto& [rank, error] : epoch_->unreachable()) {
    const std::string why = fmt::format("cannot connect to {} over {}: {}",
                                        view_.members[rank].name, fabric_.name(), error.what);
    const bool came = entry_ && rank + entry_->joiners.size() >= view_.size();
    if (!came) return stop({error.code, why, error.remedy});
    lose(rank, why);
  }
}

Turn::Outcome Turn::run(Time now, std::span<const fabric::Event> events, multicast::Hints hints) {
  const bool traffic = std::exchange(posted_, false) || phase_ == Phase::forming || agreeing_;
  outcome_ = {!events.empty(), traffic, never};
  now_ = now;
  if (phase_ == Phase::stopped) {
    if (left_) answer_late(now, events);
    return outcome_;
  }
  detector_->turned(now);
  if (leave_by_ != never) {
    take_leave(now, events);
    return outcome_;
  }
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

  if (handover_.busy()) {
    outcome_.traffic = true;
    hand_over(now);
  }
  if (phase_ == Phase::stopped) return outcome_;
  const bool early = options_.bug == membership::Bug::install_early;
  const bool diverts = handover_.diverts() && options_.bug != membership::Bug::deliver_early;
  const auto turned =
      epoch_->turn(now, diverts ? handover_.kept_upcalls(upcalls_, closing_) : upcalls_,
                   closing_ ? early : isolated_ || (diverts && handover_.full()), hints);
  outcome_.worked |= turned.worked;
  outcome_.traffic |= turned.worked;
  note(turned.deadline);
  // Whose heartbeats cannot come yet would soon look silent.
  if (phase_ == Phase::forming && epoch_->running() && control_.all_up(self_)) {
    phase_ = Phase::running;
    formed_once_ = stirred_ = true;
    outcome_.worked = true;
  }
  if (turned.upset) [[unlikely]]
    look_into_channels();
  if (finishing_ && !finished_ && phase_ == Phase::running && !handover_.arriving()) {
    outcome_.worked |= epoch_->finish();
    finished_ = epoch_->finished();
  }
  if (closing_ && phase_ != Phase::stopped && (early || epoch_->exhausted())) install(now);
  return outcome_;
}

// --- what arrives

void Turn::handle(Time now, const fabric::Event& event) {
  using Kind = fabric::Event::Kind;
  if (event.kind == Kind::completed) {
    if (!transit_.returned(event.token)) control_.completed(event.token);
    return;
  }
  if (const auto rank = control_.rank_of(event.peer); rank || control_.knows(event.peer)) {
    // What the application posts is nothing to membership.
    if (rank && event.kind == Kind::message && !event.bytes.empty() &&
        static_cast<Control::Kind>(event.bytes.front()) == Control::Kind::post)
      return on_posted(*rank, event.bytes);
    stirred_ = true;
    if (event.kind == Kind::connected) {
      control_.connected(event.peer);
    } else if (event.kind == Kind::message) {
      on_control(now, event.peer, rank, event.bytes);
    } else if (event.kind == Kind::lost) {
      control_.lost(event.peer, event.text, now);
      if (rank) lose(*rank, event.text);
    }
  } else if (const auto member = epoch_->rank_of(event.peer)) {
    if (event.kind == Kind::lost) {
      epoch_->lose(*member);
      // Not evidence by itself: whoever freezes cuts its mirrors, and says why a moment later.
      mirrors_lost_at_[*member] = std::min(mirrors_lost_at_[*member], detector_->lived());
      stirred_ = true;
      if (!formed_once_ || options_.fixed) lose(*member, event.text);
    } else if (auto handled = epoch_->handle(*member, event); !handled) {
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
    if (raw(pulse->view) < raw(view_.id)) {
      if (!pulse->closing) return answer_old_view(peer);
      if (from && raw(pulse->view) + 1 == raw(view_.id)) detector_->on_its_way(*from, now);
      return;
    }
    if (from && pulse->view == view_.id) on_pulse(now, *from, *pulse);
  } else if (kind == Control::Kind::ballot) {
    const auto ballot = membership::decode_message(body);
    if (!ballot) return malformed(from, ballot.error());
    // A decision is an answer itself: two that answered each other's would never end.
    if (raw(ballot->view) < raw(view_.id))
      return ballot->kind == Message::Kind::decided ? void() : answer_old_view(peer);
    if (from) on_ballot(*from, *ballot);
  } else if (kind == Control::Kind::joiner && from) {
    Reader reader(body);
    const auto joiner = membership::decode_joiner(reader);
    if (!reader.done()) return malformed(from, {Code::invalid, "a joiner's name is garbled", ""});
    applicants_.named(joiner, now);
  } else if (kind == Control::Kind::state_request && from) {
    handover_.on_request(view_.members[*from], body);
  } else if (kind == Control::Kind::state_piece && from) {
    handover_.on_piece(*from, body, now);
  }
}

std::size_t Turn::most_post_bytes() const {
  return fabric_.capabilities().max_message_bytes - Control::post_head_bytes;
}

bool Turn::post(const Member& to, std::size_t channel, Bytes message) {
  if (phase_ == Phase::stopped) return false;
  posted_ = true;
  return control_.post(to, static_cast<std::uint16_t>(channel), message);
}

void Turn::on_posted(Rank from, Bytes posted) {
  const auto number = Control::channel_of_post(posted);
  if (!number || *number >= on_post_.size()) [[unlikely]]
    return malformed(from, {Code::invalid, "a message of no channel", ""});
  const std::uint16_t channel = *number;
  const Bytes message = posted.subspan(Control::post_head_bytes);
  std::optional<Rank> told = from;
  if (handover_.keeps()) {
    // The application is still in an earlier view.
    const Member& member = view_.members[from];
    told = told_.rank_of(member.id);
    if (!told || told_.members[*told].incarnation != member.incarnation || handover_.keeps_posts())
      return handover_.keep(channel, from, message);
  }
  outcome_.traffic = true;
  if (on_post_[channel]) on_post_[channel](*told, message);
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
    if (!pulse.arriving) handover_.arrived(view_.members[from]);
  }
  if (pulse.answer) send_pulse(from, detector_->extra_beat(), false, true);
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

bool Turn::is_decision(Bytes message) {
  if (message.empty() || static_cast<Control::Kind>(message.front()) != Control::Kind::ballot)
    return false;
  const auto ballot = membership::decode_message(message.subspan(1));
  return ballot && ballot->kind == Message::Kind::decided;
}

/// Whoever leaves stays until all who go on know that they do: if so many leave that the others are
/// no majority, nobody else could tell them.
void Turn::take_leave(Time now, std::span<const fabric::Event> events) {
  answer_late(now, events);
  for (const fabric::Event& event : events) {
    if (event.kind == fabric::Event::Kind::completed) control_.completed(event.token);
    const auto rank = control_.rank_of(event.peer);
    if (rank && event.kind == fabric::Event::Kind::message && knows_the_end(event.bytes))
      untold_.erase(*rank);
  }
  if (detector_->beat_due()) ask_untold();
  // Whoever cannot be reached is gone itself, or is told by those whom it can reach.
  for (Rank rank = 0; rank < view_.size(); ++rank)
    if (!control_.up(rank)) untold_.erase(rank);
  note(std::min(leave_by_, detector_->deadline()));
  if (!untold_.empty() && now < leave_by_) return;
  left_ = true;
  phase_ = Phase::stopped;
}

/// Whoever said this knows how this view ends.
bool Turn::knows_the_end(Bytes message) const {
  if (is_decision(message)) return true;
  if (message.empty() || static_cast<Control::Kind>(message.front()) != Control::Kind::pulse)
    return false;
  const auto pulse = membership::decode_pulse(message.subspan(1));
  return pulse && pulse->view == view_.id && pulse->closing;
}

/// Who is in the next view answers a pulse of this one with what was decided; who still delivers
/// the rest of this one says so in its own.
void Turn::ask_untold() {
  const membership::Beat beat = detector_->next_beat();
  for (Rank rank = 0; rank < view_.size(); ++rank)
    if (untold_.contains(rank)) send_pulse(rank, beat, false, true);
  fabric_.flush();
}

/// Who has left still says what the others decided, to whoever missed it.
void Turn::answer_late(Time now, std::span<const fabric::Event> events) {
  for (const fabric::Event& event : events) {
    if (!control_.knows(event.peer)) continue;
    if (event.kind == fabric::Event::Kind::lost) control_.lost(event.peer, event.text, now);
    if (event.kind == fabric::Event::Kind::message && !is_decision(event.bytes))
      answer_old_view(event.peer);
  }
  fabric_.flush();
}

/// Whoever is still in an earlier view learns how the last one began.
void Turn::answer_old_view(fabric::PeerId peer) {
  if (!last_decision_.empty()) control_.send(peer, Control::Kind::ballot, last_decision_);
}

void Turn::stop(Error error) {
  if (!failure_) failure_ = std::move(error);
  phase_ = Phase::stopped;
}

void Turn::on_deliver(std::size_t channel, multicast::DeliverFunction upcall) {
  upcalls_[channel] = std::move(upcall);
  handover_.opened(channel);
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
