#include "core/membership/agreement.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>

#include "core/membership/agreement_story.h"

namespace squall::membership {
namespace {

using Kind = Message::Kind;
using namespace std::chrono_literals;

TEST_CASE("a member dies: the others agree on a view without it, and on the least that they hold") {
  for (const Rank dead : {0U, 1U, 2U}) {
    Story story(3);
    story.crash_and_be_noticed(dead);
    story.settle();
    const Change* change = story.agreed();
    REQUIRE(change);
    CHECK(raw(change->next.id) == 8);
    CHECK(change->kept == RankSet::all(3) - ranks({dead}));
    CHECK(change->next.size() == 2);
    CHECK(change->trim == Rounds{{dead == 2 ? 19U : 18U}});
    // No timer was needed, and none is left.
    CHECK(story.now == Time{});
    for (const auto& agreement : story.all) CHECK(agreement->deadline() == never);
  }
}

TEST_CASE("who is alone in its view agrees with itself") {
  Story story(1);
  story.want_change();
  story.settle();
  REQUIRE(story.agreed());
  CHECK(story.agreed()->trim == Rounds{{20}});
}

TEST_CASE("without a suspect, a wish to join or to leave changes the view") {
  Story story(3);
  story.settle();
  CHECK_FALSE(story.all[0]->wants_freeze());
  story.leaving = ranks({1});
  story.with_joiners = true;
  story.want_change();
  story.settle();
  const Change* change = story.agreed();
  REQUIRE(change);
  CHECK(change->kept == ranks({0, 2}));
  CHECK(change->leaving == ranks({1}));
  REQUIRE(change->next.size() == 3);
  CHECK(change->next.members[2].name == "joiner");
  // Who leaves counts for the trim.
  CHECK(change->trim == Rounds{{18}});
}

TEST_CASE("a coordinator dies before its proposal: its successor makes its own at once") {
  Story story(3);
  story.want_change();
  story.lost = [](Rank, Rank, const Message& sent) { return sent.kind == Kind::accept; };
  story.settle();
  story.lost = {};
  story.crash_and_be_noticed(0);
  story.settle();
  REQUIRE(story.agreed());
  CHECK(story.agreed()->kept == ranks({1, 2}));
  CHECK(story.now == Time{});
}

TEST_CASE("a coordinator dies after one member accepted: its successor proposes that very value") {
  for (const Rank who : {1U, 2U, 3U, 4U}) {
    Story story(5);
    story.with_joiners = true;
    story.want_change();
    story.lost = [&](Rank from, Rank to, const Message& sent) {
      return from == 0 && (sent.kind == Kind::decided || (sent.kind == Kind::accept && to != who));
    };
    story.settle();
    story.lost = {};
    CHECK_FALSE(story.decided(0));
    story.crash_and_be_noticed(0);
    story.settle();
    REQUIRE(story.agreed());
    CHECK(story.agreed()->joiners == std::vector<Joiner>{joiner_of(0)});
    CHECK(story.agreed()->kept == RankSet::all(5));
  }
}

TEST_CASE("coordinator_dies_after_majority_accepted: its successors take over that very value") {
  for (const Rank one : {1U, 2U, 3U, 4U})
    for (const Rank two : {1U, 2U, 3U, 4U})
      for (const bool successor_dies : {false, true}) {
        if (one >= two) continue;
        Story story(5);
        story.with_joiners = true;
        story.want_change();
        story.lost = [&](Rank from, Rank to, const Message& sent) {
          return from == 0 && (sent.kind == Kind::decided ||
                               (sent.kind == Kind::accept && to != one && to != two));
        };
        story.settle();
        REQUIRE(story.decided(0));
        const Change first = *story.decided(0);
        story.crash_and_be_noticed(0);
        if (successor_dies) {
          // It gets as far as its own proposal, which reaches one more.
          story.lost = [&](Rank, Rank to, const Message& sent) {
            return sent.kind == Kind::decided || (sent.kind == Kind::accept && to != 4);
          };
          story.settle();
          story.crash_and_be_noticed(1);
        }
        story.lost = {};
        story.settle();
        REQUIRE(story.agreed());
        CHECK(*story.agreed() == first);
      }
}

TEST_CASE("two coordinators at once: one value comes out") {
  for (const bool accused_back : {false, true}) {
    Story story(5);
    story.with_joiners = true;
    story.want_change();
    story.suspect(1, 0);
    if (accused_back) story.suspect(0, 1);
    story.pass(500ms);
    REQUIRE(story.agreed());
  }
}

TEST_CASE("two coordinators that everyone votes for: waiting at random, one gets through") {
  Story story(5);
  story.with_joiners = true;
  story.suspect(0, 1), story.suspect(1, 0);
  // Nobody hears anybody without suspicion, so all vote for both; and each message takes a while.
  for (const Rank voter : {2U, 3U, 4U}) story.situations[voter].heard = {};
  for (int millisecond = 0; millisecond < 5000 && !story.agreed(); ++millisecond) {
    story.step();
    story.now += 4ms;
  }
  REQUIRE(story.agreed());
}

TEST_CASE("two that suspect each other, each the other's only majority: one gets through") {
  Story story(3);
  story.crash(1);
  story.situations[0].suspects = ranks({1, 2});
  story.situations[2].suspects = ranks({0, 1});
  for (int ms = 0; ms < 1000 && !story.agreed(); ++ms) {
    story.step();
    story.now += std::chrono::milliseconds(1);
  }
  REQUIRE(story.agreed());
  CHECK(story.agreed()->next.size() == 1);
}

TEST_CASE("who is accused by an earlier rank votes for a suspect too: nobody else may lead") {
  // 0 was away for long: 2, 3 and 4 suspect it, and it accuses them back. 1 was away with it, so it
  // suspects those three, as 0 says, and not 0.
  Story story(5);
  for (const Rank back : {0U, 1U}) story.situations[back].suspects = ranks({2, 3, 4});
  for (const Rank stayed : {2U, 3U, 4U}) {
    story.situations[stayed].suspects = ranks({0});
    story.situations[stayed].quiet = true;
  }
  story.settle();
  REQUIRE(story.agreed());
  CHECK(story.agreed()->kept == ranks({0, 1}));
}

TEST_CASE("those who wait in vain for one that will not lead vote for a suspect in the end") {
  // 0 accuses everybody. 2 heard that, and leads no more; 3 and 4 suspect 0 and wait for 2.
  Story story(5);
  story.crash(1);
  story.situations[0].suspects = ranks({1, 2, 3, 4});
  story.situations[2].suspects = ranks({1});
  story.situations[2].quiet = true;
  for (const Rank waits : {3U, 4U}) story.situations[waits].suspects = ranks({0, 1});
  story.pass(100ms);
  CHECK_FALSE(story.agreed());
  story.pass(50ms);
  REQUIRE(story.agreed());
}

TEST_CASE("an even split: the half with rank 0 goes on, the other never does, and learns of it") {
  for (const Rank members : {2U, 4U}) {
    const Rank half = members / 2;
    Story story(members);
    for (Rank a = 0; a < half; ++a)
      for (Rank b = half; b < members; ++b) {
        story.suspect(a, b), story.suspect(b, a);
        story.situations[a].heard.erase(b), story.situations[b].heard.erase(a);
      }
    story.lost = [&](Rank from, Rank to, const Message&) { return (from < half) != (to < half); };
    story.pass(2000ms);
    for (Rank rank = 0; rank < members; ++rank)
      CHECK((story.decided(rank) != nullptr) == (rank < half));
    CHECK(story.decided(0)->kept == RankSet::all(half));
    story.lost = {};
    story.pass(1000ms);
    CHECK(story.agreed());
  }
}

TEST_CASE("no_majority: nothing is decided, however long it takes") {
  Story three(3);
  three.crash_and_be_noticed(0), three.crash_and_be_noticed(2);
  three.pass(3000ms);
  CHECK_FALSE(three.decided(1));
  Story five(5);
  for (const Rank dead : {1U, 2U, 4U}) five.crash_and_be_noticed(dead);
  five.pass(3000ms);
  CHECK_FALSE(five.decided(0));
  CHECK_FALSE(five.decided(3));
}

TEST_CASE("whoever has the decision answers every request with it, and no answer") {
  Story story(3);
  story.crash_and_be_noticed(2);
  story.settle();
  const Change change = *story.agreed();
  for (const Rank rank : {0U, 1U}) {
    Agreement& one = *story.all[rank];
    for (const Message& request : {message(Kind::prepare, 3), message(Kind::prepare, 3000),
                                   message(Kind::accept, 3, change), message(Kind::ask, 0)}) {
      REQUIRE(one.receive(2, request));
      const auto answers = one.take_outgoing();
      REQUIRE(answers.size() == 1);
      CHECK(answers[0].to == 2);
      CHECK(answers[0].message == message(Kind::decided, 0, change));
    }
    for (const Kind kind : {Kind::promise, Kind::accepted, Kind::refused})
      CHECK(one.receive(2, message(kind, 3)));
    CHECK(one.receive(2, message(Kind::decided, 0, change)));
    CHECK(one.take_outgoing().empty());
  }
}

TEST_CASE("a suspect is told the decision too") {
  Story story(3);
  story.suspect(0, 2), story.suspect(1, 2);
  story.settle();
  REQUIRE(story.agreed());
  CHECK_FALSE(story.decided(2)->kept.contains(2));
}

TEST_CASE("who is out tells the others why before it stops: it may be all that they can hear") {
  // The link between 0 and 1 is cut, and 2 suspects 0 for no reason. 0 proposes a view of itself
  // alone, and 2 accepts; 1 finds that, completes it, and can tell nobody but 2.
  Story story(3);
  story.suspect(0, 1), story.suspect(1, 0), story.suspect(2, 0);
  story.situations[0].heard = ranks({2});
  story.situations[1].heard = ranks({2});
  const Change alone = make_change(story.old, ranks({0}), {}, {}, Rounds{{18}});
  story.turn(0);  // freezes
  story.flying.clear();
  story.lost = [](Rank from, Rank to, const Message&) { return from + to == 1; };
  REQUIRE(story.all[2]->receive(1, message(Message::Kind::decided, 0, alone)));
  story.collect(2);
  for (const auto& flying : std::exchange(story.flying, {})) {
    CHECK(flying.message.kind == Message::Kind::decided);
    REQUIRE(story.all[flying.to]->receive(flying.from, flying.message));
  }
  REQUIRE(story.decided(0));
  CHECK(*story.decided(0) == alone);
}

TEST_CASE("a member votes for a suspect only if those it hears are no majority, or none comes") {
  const auto votes = [](const RankSet& heard, Duration after = 0ms) {
    Story story(5);
    Agreement& voter = *story.all[4];
    Situation situation;
    situation.suspects = ranks({0});
    situation.heard = heard;
    voter.freeze(story.frozen[4]);
    voter.turn({}, situation);
    voter.turn(Time{} + after, situation);
    voter.take_outgoing();
    CHECK(voter.receive(0, message(Kind::prepare, 1)));
    const bool promised = !voter.take_outgoing().empty();
    const Change change = make_change(story.old, ranks({0}), {}, {}, {{1}});
    CHECK(voter.receive(0, message(Kind::accept, 1, change)));
    const bool accepted = !voter.take_outgoing().empty();
    CHECK(promised == accepted);
    return promised;
  };
  CHECK(votes({}));
  CHECK(votes(ranks({1})));
  CHECK(votes(ranks({0, 1})));
  CHECK_FALSE(votes(ranks({1, 2})));
  CHECK_FALSE(votes(ranks({1, 2}), 99ms));
  CHECK(votes(ranks({1, 2}), 100ms));
}

TEST_CASE("a coordinator that was away for a moment is the only one to go") {
  // The others suspect it, and it accuses them back, all while messages pass.
  Story story(3);
  for (const Rank other : {1U, 2U}) story.suspect(other, 0), story.suspect(0, other);
  story.pass(100ms);
  REQUIRE(story.agreed());
  CHECK(story.agreed()->kept == ranks({1, 2}));
}

TEST_CASE("members that wait for one another in circles vote for anyone in the end") {
  // 1 is silenced by 0; 2 and 3 take 1 for the coordinator and do not vote for 0.
  Story story(5);
  story.crash_and_be_noticed(4);
  for (const Rank other : {1U, 2U, 3U}) story.suspect(0, other);
  for (const Rank other : {2U, 3U}) story.suspect(other, 0);
  story.situations[1].quiet = true;
  story.pass(99ms);
  CHECK_FALSE(story.decided(0));
  story.pass(100ms);
  CHECK(story.agreed());
}

TEST_CASE("who is accused by an earlier rank votes, but does not lead") {
  Story story(3);
  story.crash_and_be_noticed(0);
  story.situations[1].quiet = true;
  story.pass(200ms);
  CHECK_FALSE(story.agreed());
  story.situations[1].quiet = false;
  story.settle();
  CHECK(story.agreed());

  Story voting(3);
  voting.crash_and_be_noticed(0);
  voting.situations[2].quiet = true;
  voting.settle();
  CHECK(voting.agreed());
}

}  // namespace
}  // namespace squall::membership
