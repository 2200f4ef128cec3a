#pragma once
// For tests: the members of one view, with time and the network in the hands of the story. Messages
// arrive in the order in which they were sent, unless the story loses them.

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/assert.h"
#include "core/membership/agreement.h"
#include "core/membership/trim.h"

namespace squall::membership {

inline RankSet ranks(std::initializer_list<Rank> some) {
  RankSet set;
  for (const Rank rank : some) set.insert(rank);
  return set;
}

inline View view_of(Rank members) {
  View view{ViewId{7}, {}};
  for (Rank rank = 0; rank < members; ++rank)
    view.members.push_back({NodeId{100 + rank}, Incarnation{1}, std::string(1, char('a' + rank))});
  return view;
}

/// A joiner that tells who proposed it, so that no two members propose the same change.
inline Joiner joiner_of(Rank proposer) {
  return {{NodeId{200 + proposer}, Incarnation{1}, "joiner"}, "there", {}};
}

struct Story {
  using Kind = Message::Kind;
  struct Flying {
    Rank from;
    Rank to;
    Message message;
  };

  explicit Story(Rank members) : old(view_of(members)), situations(members) {
    for (Rank rank = 0; rank < members; ++rank) {
      // One sender; every member holds one round less than the one before it.
      frozen.push_back({{{Round{20} - rank}}});
      const auto propose = [this, rank](const RankSet& survivors,
                                        const std::map<Rank, Frozen>& counts) {
        const RankSet leave = leaving & survivors;
        std::vector<Joiner> joiners;
        if (with_joiners) joiners.push_back(joiner_of(rank));
        return make_change(old, survivors - leave, leave, joiners, trim_of(counts).value());
      };
      all.push_back(std::make_unique<Agreement>(old, rank, propose, 1000 + rank));
      situations[rank].heard = RankSet::all(members);
      situations[rank].heard.erase(rank);
    }
  }

  void suspect(Rank who, Rank whom) { situations[who].suspects.insert(whom); }
  /// Everybody alive notices.
  void suspect(Rank whom) {
    for (Rank rank = 0; rank < old.size(); ++rank)
      if (rank != whom && !crashed.contains(rank)) suspect(rank, whom);
  }
  /// What it has sent still arrives.
  void crash(Rank who) {
    collect(who);
    crashed.insert(who);
    for (Situation& situation : situations) situation.heard.erase(who);
  }
  void crash_and_be_noticed(Rank who) { crash(who), suspect(who); }
  void want_change() {
    for (Situation& situation : situations) situation.wants_change = true;
  }

  void collect(Rank rank) {
    for (auto& [to, message] : all[rank]->take_outgoing())
      if (!lost || !lost(rank, to, message)) flying.push_back({rank, to, std::move(message)});
  }
  void turn(Rank rank) {
    Agreement& agreement = *all[rank];
    agreement.turn(now, situations[rank]);
    if (agreement.wants_freeze()) {
      agreement.freeze(frozen[rank]);
      agreement.turn(now, situations[rank]);
    }
    collect(rank);
  }
  /// Everyone turns, then what flies arrives. False: nothing flew.
  bool step() {
    for (Rank rank = 0; rank < old.size(); ++rank)
      if (!crashed.contains(rank)) turn(rank);
    const auto arriving = std::exchange(flying, {});
    for (const Flying& one : arriving)
      if (!crashed.contains(one.to))
        SQUALL_ASSERT(all[one.to]->receive(one.from, one.message), "members understand each other");
    return !arriving.empty();
  }
  /// Without time passing, until nothing flies any more.
  void settle() {
    while (step()) {
    }
  }
  void pass(Duration duration) {
    for (const Time until = now + duration; now < until; now += std::chrono::milliseconds(1))
      settle();
  }

  const Change* decided(Rank rank) const { return all[rank]->decided(); }
  /// The one decision of all who live; nullptr: somebody has none, or another.
  const Change* agreed() const {
    const Change* first = nullptr;
    for (Rank rank = 0; rank < old.size(); ++rank) {
      if (crashed.contains(rank)) continue;
      if (!decided(rank) || (first && !(*first == *decided(rank)))) return nullptr;
      first = decided(rank);
    }
    return first;
  }

  View old;
  std::vector<Situation> situations;
  std::vector<Frozen> frozen;
  std::vector<std::unique_ptr<Agreement>> all;
  std::deque<Flying> flying;
  RankSet crashed;
  RankSet leaving;
  bool with_joiners = false;
  /// What the network loses, at the time of sending.
  std::function<bool(Rank from, Rank to, const Message&)> lost;
  Time now{};
};

inline Message message(Message::Kind kind, Ballot ballot, std::optional<Change> change = {}) {
  return {kind, ViewId{7}, ballot, 0, {}, std::move(change)};
}

}  // namespace squall::membership
