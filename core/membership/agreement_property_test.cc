// Random runs of the agreement: 2 to 5 members over a network that loses, repeats and reorders,
// with crashes, wrong suspicions and situations that change at random. A seed is a run.
//
// Whatever happens: one decision for the view (crashed members included), accepted by a majority in
// one ballot, with a trim that every survivor holds. And once the faults stop, with a majority
// connected and suspicions at rest, it comes within a bounded time: also when they follow no rule
// but that the majority suspects whoever is out of reach.

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/random.h"
#include "core/membership/agreement.h"
#include "core/membership/agreement_story.h"

namespace squall::membership {
namespace {

using Kind = Message::Kind;

class World {
 public:
  World(std::uint64_t seed, Bug bug)
      : random_(seed),
        bug_(bug),
        members_(static_cast<Rank>(std::min<std::uint64_t>(2 + random_.below(6), 5))),
        old_(view_of(members_)),
        situations_(members_),
        cut_(members_),
        over_wire_(random_.one_in(16)),
        loses_one_in_(2 + random_.below(2) * random_.below(20)),
        loses_proposals_(random_.one_in(2)),
        suspicions_left_(static_cast<unsigned>(random_.below(8))) {
    for (Rank rank = 0; rank < members_; ++rank) {
      Rounds rounds(2, std::vector<Round>(members_));
      for (auto& channel : rounds)
        for (Round& round : channel) round = random_.below(3);
      frozen_.push_back({std::move(rounds)});
      all_.push_back(std::make_unique<Agreement>(
          old_, rank,
          [this, rank](const RankSet& survivors, const std::map<Rank, Frozen>& counts) {
            return propose(rank, survivors, counts);
          },
          random_.next(), bug));
      if (random_.one_in(2)) situations_[rank].heard = everyone() - only(rank);
    }
  }

  /// What went wrong; empty: nothing.
  std::string run() {
    const auto steps = 50 + random_.below(350);
    for (std::uint64_t step = 0; step < steps && broken_.empty(); ++step) fault_or_progress();
    if (broken_.empty()) recover();
    return broken_;
  }

  /// Of the coverage: that what is searched is there to be found.
  bool decided() const { return first_.has_value(); }
  unsigned proposals() const { return proposals_; }
  unsigned ballots() const { return static_cast<unsigned>(votes_.size()); }
  bool liveness_checked() const { return liveness_checked_; }

 private:
  struct Flying {
    Rank from;
    Rank to;
    Message message;
  };

  RankSet everyone() const { return RankSet::all(members_); }
  static RankSet only(Rank rank) { return ranks({rank}); }
  Rank any() { return static_cast<Rank>(random_.below(members_)); }
  bool alive(Rank rank) const { return !crashed_.contains(rank); }

  Change propose(Rank proposer, const RankSet& survivors, const std::map<Rank, Frozen>& counts) {
    ++proposals_;
    RankSet leaving;
    if (random_.one_in(4)) leaving = only(any()) & survivors;
    const RankSet kept = survivors - leaving;
    std::vector<Joiner> joiners;
    if (!kept.empty() && random_.one_in(2)) joiners.push_back(joiner_of(proposer));
    return make_change(old_, kept, leaving, std::move(joiners), trim_of(counts, bug_).value());
  }

  // --- faults and progress, mixed

  void fault_or_progress() {
    const auto dice = random_.below(200);
    if (dice < 150)
      arrive();
    else if (dice < 170)
      turn(any());
    else if (dice < 180)
      suspect_wrongly();
    else if (dice < 184)
      notice_the_dead(), spread_suspicions();
    else if (dice < 185)
      crash();
    else if (dice < 192)
      change_situation(any());
    else if (dice < 193)
      cut_[any()] = only(any());
    else if (dice < 195)
      cut_[any()] = {};
    else
      now_ += Duration(static_cast<Duration::rep>(random_.below(10'000'000)));
  }

  /// A message of any age; some are lost, some come again.
  void arrive() {
    if (flying_.empty()) return;
    std::swap(flying_[random_.below(flying_.size())], flying_.back());
    const Flying one = flying_.back();
    if (!random_.one_in(10)) flying_.pop_back();
    if (random_.one_in(loses_one_in_)) return;
    // Proposals that few accept are what later coordinators can get wrong.
    if (loses_proposals_ && one.message.kind == Kind::accept && !random_.one_in(3)) return;
    deliver(one);
    if (!random_.one_in(4)) turn(one.to);
  }

  void suspect_wrongly() {
    if (suspicions_left_ == 0) return;
    --suspicions_left_;
    const Rank who = any(), whom = any();
    if (who != whom) situations_[who].suspects.insert(whom);
    // Of all earlier ones, often: that makes one more coordinator.
    const bool all_earlier = random_.one_in(2);
    for (Rank earlier = 0; all_earlier && earlier < who; ++earlier)
      situations_[who].suspects.insert(earlier);
  }

  void crash() {
    if (crashed_.size() * 2 < members_ + 1) crashed_.insert(any());
  }

  void change_situation(Rank rank) {
    Situation& situation = situations_[rank];
    situation.quiet = random_.one_in(8);
    situation.wants_change = random_.one_in(2);
    situation.patience =
        Duration(static_cast<Duration::rep>(1'000'000 + random_.below(20'000'000)));
    situation.heard = {};
    if (random_.one_in(2)) return;
    for (Rank other = 0; other < members_; ++other)
      if (other != rank && !random_.one_in(3)) situation.heard.insert(other);
  }

  // --- suspicion as the rules have it

  bool suspects(Rank who, Rank whom) const { return situations_[who].suspects.contains(whom); }
  bool connected(Rank one, Rank other) const {
    return alive(one) && alive(other) && !cut_[one].contains(other) && !cut_[other].contains(one);
  }
  bool accuse(Rank who, Rank whom) {
    if (suspects(who, whom)) return false;
    situations_[who].suspects.insert(whom);
    return true;
  }

  /// Whoever has contact with a majority suspects those with whom it has none.
  void notice_the_dead() {
    for (Rank who = 0; who < members_; ++who) {
      RankSet contact = only(who);
      for (Rank whom = 0; whom < members_; ++whom)
        if (connected(who, whom)) contact.insert(whom);
      if (alive(who) && is_majority(contact, members_))
        situations_[who].suspects = situations_[who].suspects | (everyone() - contact);
    }
  }

  /// One round: who is accused by a later rank accuses it back, and an accusation by an earlier
  /// rank spreads to all who are not fenced from it. False: nothing new.
  bool spread_suspicions() {
    bool news = false;
    for (Rank who = 0; who < members_; ++who) {
      for (Rank whom = 0; whom < members_; ++whom) {
        if (whom == who || !connected(who, whom)) continue;
        if (who < whom && suspects(whom, who)) news |= accuse(who, whom);
        if (suspects(who, whom) || suspects(whom, who)) continue;
        for (Rank accused = who + 1; accused < members_; ++accused)
          if (accused != whom && suspects(who, accused)) news |= accuse(whom, accused);
      }
    }
    return news;
  }

  /// An earlier accuser makes quiet; one that is suspected itself does so or does not.
  void see_as_it_is(Rank rank, bool also_for_suspects) {
    Situation& situation = situations_[rank];
    situation = {situation.suspects, {}, false, true, std::chrono::milliseconds(20)};
    for (Rank other = 0; other < members_; ++other) {
      if (other == rank || !connected(rank, other)) continue;
      situation.heard.insert(other);
      if (other < rank && suspects(other, rank) && (also_for_suspects || !suspects(rank, other)))
        situation.quiet = true;
    }
  }

  // --- the faults stop

  void recover() {
    RankSet core;
    const bool outsider_stays = random_.one_in(3);
    const Rank outsider = any();
    for (Rank rank = 0; rank < members_; ++rank)
      if (alive(rank) && !(outsider_stays && rank == outsider)) core.insert(rank);
    for (Rank rank = 0; rank < members_; ++rank)
      cut_[rank] = core.contains(rank) ? everyone() - core : core;
    notice_the_dead();
    const bool by_the_rules = random_.one_in(2);
    while (by_the_rules && spread_suspicions()) {
    }
    const bool also_for_suspects = random_.one_in(2);
    for (Rank rank = 0; rank < members_; ++rank) see_as_it_is(rank, also_for_suspects);

    constexpr int rounds = 400;
    for (int round = 0; round < rounds && broken_.empty(); ++round) {
      for (Rank rank = 0; rank < members_; ++rank) turn(rank);
      for (auto count = flying_.size(); count > 0; --count) {
        std::swap(flying_[random_.below(count)], flying_[count - 1]);
      }
      for (const Flying& one : std::exchange(flying_, {})) deliver(one);
      now_ += std::chrono::milliseconds(5);
      if (round == rounds / 4) suspect_whoever_went_on(core);
      if (is_majority(core, members_) && all_know(core)) {
        liveness_checked_ = true;
        return;
      }
    }
    if (broken_.empty() && is_majority(core, members_)) broken_ = "no decision " + describe(core);
  }

  /// Who has decided is in the next view, and silent in this one. That is how a member finds out
  /// that nobody asked, and that was not told.
  void suspect_whoever_went_on(const RankSet& core) {
    for (Rank who = 0; who < members_; ++who)
      for (Rank whom = 0; whom < members_; ++whom)
        if (who != whom && core.contains(who) && core.contains(whom) && all_[whom]->decided())
          situations_[who].suspects.insert(whom);
  }

  bool all_know(const RankSet& core) const {
    for (Rank rank = 0; rank < members_; ++rank)
      if (core.contains(rank) && !all_[rank]->decided()) return false;
    return true;
  }

  std::string describe(const RankSet& core) const {
    std::string text;
    for (Rank rank = 0; rank < members_; ++rank) {
      text += " | " + std::to_string(rank) + (core.contains(rank) ? "" : " out");
      for (Rank other = 0; other < members_; ++other)
        if (suspects(rank, other)) text += " -" + std::to_string(other);
      if (situations_[rank].quiet) text += " quiet";
      if (all_[rank]->decided()) text += " decided";
    }
    return text;
  }

  // --- carrying, and watching what is carried

  void turn(Rank rank) {
    if (!alive(rank)) return;
    Agreement& agreement = *all_[rank];
    const bool before = agreement.decided() != nullptr;
    agreement.turn(now_, situations_[rank]);
    if (agreement.wants_freeze()) {
      agreement.freeze(frozen_[rank]);
      agreement.turn(now_, situations_[rank]);
    }
    collect(rank);
    if (!before && agreement.decided()) decided_by_coordinator(rank, *agreement.decided());
  }

  void collect(Rank rank) {
    for (auto& [to, message] : all_[rank]->take_outgoing()) {
      if (message.kind == Kind::accept) last_proposed_[rank] = message.ballot;
      if (message.kind == Kind::accepted) votes_[message.ballot].insert(rank);
      flying_.push_back({rank, to, std::move(message)});
    }
  }

  void deliver(const Flying& one) {
    if (!alive(one.to) || cut_[one.to].contains(one.from)) return;
    Agreement& agreement = *all_[one.to];
    const bool before = agreement.decided() != nullptr;
    if (one.message.kind == Kind::accept) values_[one.message.ballot] = *one.message.change;
    const bool taken =
        over_wire_ ? bool(agreement.receive(one.from, decode_message(encode(one.message)).value()))
                   : bool(agreement.receive(one.from, one.message));
    if (!taken) return broke("a member says what another refuses");
    collect(one.to);
    if (!before && agreement.decided()) {
      if (!first_) return broke("a decision was told before there was one");
      compare(*agreement.decided());
    }
  }

  void decided_by_coordinator(Rank rank, const Change& change) {
    // Its own vote it gives without a message.
    RankSet voters = votes_[last_proposed_[rank]];
    voters.insert(rank);
    if (!is_majority(voters, members_)) broke("no majority accepted it");
    compare(change);
  }

  void compare(const Change& change) {
    if (!first_) first_ = change;
    if (!(*first_ == change)) broke("two decisions");
    if (!check(change, old_)) broke("no successor of its view");
    for (Rank rank = 0; rank < members_; ++rank) {
      if (!change.survivors().contains(rank)) continue;
      for (std::size_t channel = 0; channel < change.trim.size(); ++channel)
        for (std::size_t sender = 0; sender < change.trim[channel].size(); ++sender)
          if (change.trim[channel][sender] > frozen_[rank].received[channel][sender])
            broke("a survivor does not hold the trim");
    }
  }

  void broke(const char* what) {
    if (broken_.empty()) broken_ = what;
  }

  Random random_;
  Bug bug_;
  Rank members_;
  View old_;
  std::vector<Situation> situations_;
  std::vector<RankSet> cut_;  ///< [to] of those whose messages do not arrive
  bool over_wire_;
  std::uint64_t loses_one_in_;
  bool loses_proposals_;
  unsigned suspicions_left_;
  std::vector<Frozen> frozen_;
  std::vector<std::unique_ptr<Agreement>> all_;
  std::vector<Flying> flying_;
  RankSet crashed_;
  Time now_{};

  std::map<Ballot, RankSet> votes_;
  std::map<Ballot, Change> values_;
  std::map<Rank, Ballot> last_proposed_;
  std::optional<Change> first_;
  unsigned proposals_ = 0;
  bool liveness_checked_ = false;
  std::string broken_;
};

TEST_CASE(
    "20,000 random runs: one decision, by a majority, that survivors can deliver; and it comes") {
  unsigned decided = 0, contested = 0, lively = 0;
  for (std::uint64_t seed = 1; seed <= 20'000; ++seed) {
    World world(seed, Bug::none);
    const std::string broken = world.run();
    INFO("seed " << seed);
    REQUIRE(broken == "");
    decided += world.decided();
    contested += world.proposals() > 1;
    lively += world.liveness_checked();
  }
  // What is searched is there to be found.
  MESSAGE(decided << " decided, " << contested << " with several proposals, " << lively
                  << " lively");
  CHECK(decided > 15'000);
  CHECK(contested > 2'000);
  CHECK(lively > 15'000);
}

/// The first run in which this goes wrong; 0: none of the first `most`.
std::uint64_t found(Bug bug, std::string_view wrong, std::uint64_t most) {
  for (std::uint64_t seed = 1; seed <= most; ++seed)
    if (World(seed, bug).run() == wrong) return seed;
  return 0;
}

TEST_CASE("each deliberate mistake is found within a stated number of runs") {
  const auto within = [](Bug bug, std::uint64_t most, const char* as) {
    const std::uint64_t seed = found(bug, as, most);
    MESSAGE(std::string(as) << ", found by seed " << seed);
    CHECK(seed != 0);
  };
  within(Bug::skip_majority, 50, "no majority accepted it");
  within(Bug::trim_by_maximum, 50, "a survivor does not hold the trim");
  within(Bug::forget_accepted, 2000, "two decisions");
  within(Bug::accept_below, 2000, "two decisions");
  within(Bug::same_ballot, 2000, "two decisions");
}

}  // namespace
}  // namespace squall::membership
