#pragma once
// How the members of one view agree on the change that ends it: one single-decree Paxos (Lamport,
// "Paxos made simple", 2001) among them, by messages, for each view.
//
// The coordinator is the lowest-ranked member that it does not suspect itself. It asks everyone for
// a promise, and waits for all those whom it does not suspect and for a majority of the view,
// suspects included. It proposes the accepted value of the highest ballot that a promise names, or
// else a new one, made from what the survivors have frozen. A majority that has accepted it has
// decided it; whoever knows that tells everybody, suspects too, and answers every later request
// with it. Whoever wonders asks.
//
// Promises and votes are kept for the life of the view: a member that forgets is a new incarnation
// and so not in this view. Messages may be lost, repeated and reordered.
//
// Pure, one thread at a time: call `receive` for what arrived, then `turn`, then send what
// `take_outgoing` gives. The loser of a contest waits a random time, so give each member a seed of
// its own.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/base/random.h"
#include "core/base/rank_set.h"
#include "core/base/time.h"
#include "core/base/view.h"
#include "core/membership/ballot_wire.h"
#include "core/membership/bug.h"
#include "core/membership/change.h"

namespace squall::membership {

/// The lowest rank that is not suspected; max_members if all are.
constexpr Rank coordinator_of(const RankSet& suspects, Rank members) {
  return (RankSet::all(members) - suspects).first();
}

/// What a member sees of the others at this moment.
struct Situation {
  RankSet suspects;           ///< never itself; within a view a set that only grows
  RankSet heard;              ///< with whom there is contact, suspected or not
  bool quiet = false;         ///< accused by an earlier rank: votes, but does not lead
  bool wants_change = false;  ///< somebody asks to join or to leave
  /// What is unanswered for that long is sent again. Above the round trip, below the timeouts.
  Duration patience = std::chrono::milliseconds(20);
};

class Agreement {
 public:
  /// Makes this coordinator's own proposal, if it is free to make one: which of `survivors` (all
  /// those that it does not suspect, itself included) to keep, with the trim of what they froze.
  /// `frozen` has an entry for each of them, all of one shape, so that `trim_of` succeeds.
  using Propose =
      std::function<Change(const RankSet& survivors, const std::map<Rank, Frozen>& frozen)>;

  struct Outgoing {
    Rank to = 0;
    Message message;
  };

  Agreement(View old, Rank self, Propose propose, std::uint64_t seed, Bug bug = Bug::none);

  /// There is a reason to stop receiving: a suspect, a change that this member should lead, or a
  /// ballot. Freeze the channels, then call `freeze`.
  bool wants_freeze() const;
  /// The view must change from here on. `mine` does not change any more. Once.
  void freeze(Frozen mine);

  /// Code::invalid: not from a member, not of this view, or nothing that a member would say. Such a
  /// message changes nothing.
  Result<> receive(Rank from, const Message& message);
  /// Does what is due. Call it after `receive` and `freeze`, when the situation has changed, and at
  /// the deadline.
  void turn(Time now, const Situation& situation);
  /// As of the last turn.
  Time deadline() const;
  std::vector<Outgoing> take_outgoing() { return std::exchange(outgoing_, {}); }

  /// nullptr: not yet, or not as far as this member knows. It stays where and what it is.
  const Change* decided() const { return decision_ ? &*decision_ : nullptr; }
  /// For who watches a run: what this member has voted for last, or knows to be decided.
  const Change* accepted() const {
    return decision_ ? &*decision_ : accepted_change_ ? &*accepted_change_ : nullptr;
  }

 private:
  enum class Phase : std::uint8_t { idle, preparing, proposing };
  struct Promise {
    Ballot accepted = 0;
    std::optional<Change> change;
    Frozen frozen;
  };

  // As a member.
  bool may_vote_for(Rank coordinator) const;
  void on_prepare(Rank from, Ballot ballot);
  void on_accept(Rank from, Ballot ballot, const Change& change);
  void ask();

  // As a coordinator.
  bool leads() const;
  void lead();
  /// My proposal is worse than what I would propose now, and perhaps I still may.
  bool outdated() const;
  void start(Ballot above);
  void try_propose();
  void try_decide();
  void send_again();
  Result<> on_promise(Rank from, const Message& message);

  bool enough(const RankSet& some) const;
  Duration backoff();
  Result<> judge(const Change& change) const;
  Rank owner(Ballot ballot) const { return static_cast<Rank>((ballot - 1) % old_.size()); }
  Message message(Message::Kind kind, Ballot ballot) const;
  void send(Rank to, Message what);
  void send_to(const RankSet& some, const Message& what);
  RankSet others() const;

  View old_;
  Rank self_;
  Propose propose_;
  Random random_;
  Bug bug_;

  Time now_{};
  Situation situation_;
  std::optional<Frozen> frozen_;
  Time frozen_at_{};
  std::optional<Change> decision_;
  std::vector<Outgoing> outgoing_;

  // As a member: never goes back.
  Ballot promised_ = 0;
  Ballot accepted_ = 0;
  std::optional<Change> accepted_change_;
  bool ballot_came_ = false;
  std::pair<Rank, Ballot> unanswered_{};  ///< the highest `prepare` that came before the freeze
  Time ask_at_ = never;

  // As a coordinator: of the current ballot.
  Phase phase_ = Phase::idle;
  Ballot ballot_ = 0;
  Ballot beaten_by_ = 0;  ///< the highest ballot that a refusal named
  std::map<Rank, Promise> promises_;
  std::optional<Change> proposal_;
  bool own_proposal_ = false;  ///< not found in a promise
  RankSet accepted_by_;        ///< others
  unsigned contests_ = 0;
  Time again_at_ = never;  ///< when to send again
  Time start_at_ = never;  ///< when to start a ballot, after a contest
};

}  // namespace squall::membership
