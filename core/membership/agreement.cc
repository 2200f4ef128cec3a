#include "core/membership/agreement.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/assert.h"

namespace squall::membership {

using Kind = Message::Kind;

namespace {
/// In units of the patience: how long a member would rather not vote for a suspect.
constexpr int prefers_for = 5;
}  // namespace

Agreement::Agreement(View old, Rank self, Propose propose, std::uint64_t seed, Bug bug)
    : old_(std::move(old)), self_(self), propose_(std::move(propose)), random_(seed), bug_(bug) {
  SQUALL_ASSERT(self_ < old_.size() && old_.size() <= max_members, "only members agree");
}

bool Agreement::wants_freeze() const {
  if (frozen_ || decision_) return false;
  const Situation& seen = situation_;
  return ballot_came_ || !seen.suspects.empty() || seen.quiet || (seen.wants_change && leads());
}

void Agreement::freeze(Frozen mine) {
  SQUALL_ASSERT(!frozen_, "what is frozen does not change");
  frozen_ = std::move(mine);
  frozen_at_ = now_;
  if (unanswered_.second != 0 && !decision_) on_prepare(unanswered_.first, unanswered_.second);
}

void Agreement::turn(Time now, const Situation& situation) {
  SQUALL_ASSERT(!situation.suspects.contains(self_), "nobody suspects itself");
  now_ = now;
  situation_ = situation;
  if (!frozen_ || decision_) return;
  if (frozen_at_ == never) frozen_at_ = now;
  // Votes count whether or not their ballot is still the highest.
  if (phase_ == Phase::proposing) try_decide();
  if (decision_) return;
  if (leads()) {
    ask_at_ = never;
    lead();
  } else {
    again_at_ = start_at_ = never;
    ask();
  }
}

Time Agreement::deadline() const {
  if (!frozen_ || decision_) return never;
  return std::min({ask_at_, again_at_, start_at_});
}

Result<> Agreement::receive(Rank from, const Message& what) {
  if (what.view != old_.id)
    return fail(Code::invalid, fmt::format("a ballot message of view {} in view {}", raw(what.view),
                                           raw(old_.id)));
  if (from >= old_.size() || from == self_)
    return fail(Code::invalid, fmt::format("a ballot message from rank {}", from));
  if (!what.change && (what.kind == Kind::accept || what.kind == Kind::decided))
    return fail(Code::invalid, "a ballot message without the change that it is about");
  if (what.change)
    if (auto fits = judge(*what.change); !fits) return fits;
  const bool request =
      what.kind == Kind::prepare || what.kind == Kind::accept || what.kind == Kind::ask;
  if (decision_) {
    // Answers come from those whom the decision was sent to; who lost it asks.
    if (!request) return {};
    Message answer = message(Kind::decided, 0);
    answer.change = decision_;
    send(from, std::move(answer));
    return {};
  }
  if ((what.kind == Kind::prepare || what.kind == Kind::accept) && owner(what.ballot) != from &&
      bug_ != Bug::same_ballot)
    return fail(Code::invalid,
                fmt::format("rank {} uses the ballot of rank {}", from, owner(what.ballot)));
  const bool mine = what.ballot == ballot_;
  switch (what.kind) {
    case Kind::prepare:
      on_prepare(from, what.ballot);
      break;
    case Kind::promise:
      if (mine && phase_ == Phase::preparing) return on_promise(from, what);
      break;
    case Kind::accept:
      on_accept(from, what.ballot, *what.change);
      break;
    case Kind::accepted:
      if (mine && phase_ == Phase::proposing) accepted_by_.insert(from);
      break;
    case Kind::refused:
      if (mine) beaten_by_ = std::max(beaten_by_, what.other);
      break;
    case Kind::ask:
      break;
    case Kind::decided:
      decision_ = what.change;
      // Who is out stops next, and is perhaps the only one that those who stay can hear.
      if (!decision_->kept.contains(self_)) tell_decision();
      break;
  }
  return {};
}

// --- as a member

bool Agreement::may_vote_for(Rank coordinator) const {
  if (!situation_.suspects.contains(coordinator)) return true;
  // Who is accused by an earlier rank is out, and its accuser may be waiting for this very vote.
  if (situation_.quiet) return true;
  // As a last resort: first the majority on this side, if there is one, may go on without it. Only
  // a preference, since any vote is safe, and one that ends: with wrong suspicions the members of
  // that side may well wait for one another.
  RankSet side = situation_.heard - situation_.suspects;
  side.insert(self_);
  return !is_majority(side, old_.size()) ||
         (frozen_at_ != never && now_ - frozen_at_ >= prefers_for * situation_.patience);
}

void Agreement::on_prepare(Rank from, Ballot ballot) {
  ballot_came_ = true;
  if (!frozen_) {
    if (ballot > unanswered_.second) unanswered_ = {from, ballot};
    return;
  }
  if (!may_vote_for(from)) return;
  if (ballot < promised_) {
    Message no = message(Kind::refused, ballot);
    no.other = promised_;
    return send(from, std::move(no));
  }
  promised_ = ballot;
  Message yes = message(Kind::promise, ballot);
  yes.other = accepted_;
  yes.change = accepted_change_;
  yes.frozen = *frozen_;
  send(from, std::move(yes));
}

void Agreement::on_accept(Rank from, Ballot ballot, const Change& change) {
  ballot_came_ = true;
  if (!frozen_ || !may_vote_for(from)) return;
  if (ballot < promised_ && bug_ != Bug::accept_below) {
    Message no = message(Kind::refused, ballot);
    no.other = promised_;
    return send(from, std::move(no));
  }
  promised_ = std::max(promised_, ballot);
  accepted_ = ballot;
  accepted_change_ = change;
  send(from, message(Kind::accepted, ballot));
}

void Agreement::ask() {
  if (ask_at_ != never && now_ >= ask_at_) {
    send_to(others(), message(Kind::ask, 0));
    ask_at_ = never;
  }
  if (ask_at_ == never) ask_at_ = now_ + situation_.patience;
}

// --- as a coordinator

bool Agreement::leads() const {
  return !situation_.quiet && coordinator_of(situation_.suspects, old_.size()) == self_;
}

void Agreement::lead() {
  const Ballot highest = std::max(promised_, beaten_by_);
  if (phase_ == Phase::idle || highest > ballot_ || outdated()) {
    const bool contest = highest > ballot_ && rivals(owner(highest));
    if (contest && start_at_ == never) start_at_ = now_ + backoff();
    again_at_ = never;
    if (contest && now_ < start_at_) return;
    start(std::max(highest, ballot_));
  } else if (again_at_ == never || now_ >= again_at_) {
    send_again();
  }
  if (phase_ == Phase::preparing) try_propose();
  if (phase_ == Phase::proposing) try_decide();
}

bool Agreement::rivals(Rank other) const {
  if (other == self_) return false;
  if (!situation_.suspects.contains(other)) return true;
  // Nobody waits for the dead, nor for a suspect at the first attempt. But two that live and
  // suspect each other would overtake one another for ever.
  return situation_.heard.contains(other) && phase_ != Phase::idle;
}

bool Agreement::outdated() const {
  return phase_ == Phase::proposing && own_proposal_ && accepted_by_.empty() &&
         !(proposal_->survivors() & situation_.suspects).empty();
}

void Agreement::start(Ballot above) {
  const Ballot members = old_.size();
  const Ballot mine = bug_ == Bug::same_ballot ? members : self_ + 1;
  const Ballot next = above / members * members + mine;
  start_at_ = never;
  if (next + members > max_ballot) return;  // only a liar gets us there
  ballot_ = next > above ? next : next + members;
  promised_ = ballot_;
  phase_ = Phase::preparing;
  promises_.clear();
  promises_[self_] = {accepted_, accepted_change_, *frozen_};
  proposal_.reset();
  accepted_by_ = {};
  send_again();
}

Result<> Agreement::on_promise(Rank from, const Message& what) {
  if (what.other > what.ballot)
    return fail(Code::invalid, fmt::format("rank {} promises what it may not", from));
  // Also with the others': two may share a channel that this member is not in.
  const bool alike = std::ranges::all_of(promises_, [&](const auto& other) {
    return compatible(what.frozen.received, other.second.frozen.received);
  });
  if (!alike || !compatible(what.frozen.received, frozen_->received))
    return fail(Code::invalid,
                fmt::format("rank {} froze other channels or senders than this member", from),
                "give every member the same configuration");
  promises_.emplace(from, Promise{what.other, what.change, what.frozen});
  return {};
}

void Agreement::try_propose() {
  const RankSet survivors = RankSet::all(old_.size()) - situation_.suspects;
  RankSet promised;
  const Promise* latest = nullptr;
  for (const auto& [rank, promise] : promises_) {
    promised.insert(rank);
    if (promise.change && (!latest || promise.accepted > latest->accepted)) latest = &promise;
  }
  if (!promised.includes(survivors) || !enough(promised)) return;
  own_proposal_ = !latest || bug_ == Bug::forget_accepted;
  if (own_proposal_) {
    std::map<Rank, Frozen> frozen;
    for (const auto& [rank, promise] : promises_)
      if (survivors.contains(rank)) frozen.emplace(rank, promise.frozen);
    proposal_ = propose_(survivors, frozen);
    SQUALL_ASSERT(check(*proposal_, old_) && survivors.includes(proposal_->survivors()) &&
                      compatible(proposal_->trim, frozen_->received),
                  "a proposal fits its view and keeps only those whose counts made the trim");
  } else {
    proposal_ = latest->change;
  }
  phase_ = Phase::proposing;
  send_again();
}

void Agreement::try_decide() {
  // My own vote comes last, so that a proposal that nobody has seen yet can still be replaced.
  RankSet voters = accepted_by_;
  if (promised_ == ballot_ || bug_ == Bug::accept_below) voters.insert(self_);
  if (!enough(voters)) return;
  decision_ = proposal_;
  tell_decision();
}

void Agreement::tell_decision() {
  Message told = message(Kind::decided, 0);
  told.change = decision_;
  send_to(others(), told);
}

void Agreement::send_again() {
  again_at_ = now_ + situation_.patience;
  if (phase_ == Phase::preparing) {
    RankSet silent = others();
    for (const auto& [rank, promise] : promises_) silent.erase(rank);
    send_to(silent, message(Kind::prepare, ballot_));
  } else if (phase_ == Phase::proposing) {
    Message accept = message(Kind::accept, ballot_);
    accept.change = proposal_;
    send_to(others() - accepted_by_, accept);
  }
}

// --- small things

bool Agreement::enough(const RankSet& some) const {
  return bug_ == Bug::skip_majority ? !some.empty() : is_majority(some, old_.size());
}

Duration Agreement::backoff() {
  constexpr unsigned most = 5;
  contests_ = std::min(contests_ + 1, most);
  const auto patience =
      static_cast<std::uint64_t>(std::max<Duration::rep>(situation_.patience.count(), 1));
  return Duration(static_cast<Duration::rep>(patience / 2 + random_.below(patience << contests_)));
}

Result<> Agreement::judge(const Change& change) const {
  if (auto ok = check(change, old_); !ok) return ok;
  const bool survives = change.survivors().contains(self_);
  if (!frozen_)
    return survives
               ? fail(Code::invalid, "a view change counts on this member, which was not asked")
               : Result<>();
  if (!compatible(change.trim, frozen_->received))
    return fail(Code::invalid, "a view change trims other channels or senders than there are");
  if (!survives || bug_ == Bug::trim_by_maximum) return {};
  for (std::size_t channel = 0; channel < change.trim.size(); ++channel) {
    const std::vector<Round>& held = frozen_->received[channel];
    if (held.empty()) continue;  // not a channel of this member's
    if (change.trim[channel].size() != held.size())
      return fail(Code::invalid, "a view change does not count what this member holds");
    for (std::size_t sender = 0; sender < held.size(); ++sender)
      if (change.trim[channel][sender] > held[sender])
        return fail(Code::invalid, "a view change trims above what this member holds");
  }
  return {};
}

Message Agreement::message(Kind kind, Ballot ballot) const {
  Message made;
  made.kind = kind;
  made.view = old_.id;
  made.ballot = ballot;
  return made;
}

void Agreement::send(Rank to, Message what) {
  outgoing_.push_back({to, std::move(what)});
}

void Agreement::send_to(const RankSet& some, const Message& what) {
  for (Rank rank = 0; rank < old_.size(); ++rank)
    if (some.contains(rank)) send(rank, what);
}

RankSet Agreement::others() const {
  RankSet set = RankSet::all(old_.size());
  set.erase(self_);
  return set;
}

}  // namespace squall::membership
