// What one member does with single messages: promises, votes, repeats, and what it refuses.
#include <doctest/doctest.h>

#include <string>

#include "core/membership/agreement.h"
#include "core/membership/agreement_story.h"

namespace squall::membership {
namespace {

using Kind = Message::Kind;
using namespace std::chrono_literals;

TEST_CASE("nobody promises or leads before it is frozen; an early ballot is answered then") {
  Story story(3);
  Situation situation;
  Agreement& member = *story.all[1];
  member.turn({}, situation);
  CHECK_FALSE(member.wants_freeze());
  CHECK(member.receive(0, message(Kind::prepare, 1)));
  CHECK(member.receive(0, message(Kind::prepare, 4)));
  CHECK(member.receive(0, message(Kind::prepare, 1)));
  CHECK(member.wants_freeze());
  CHECK(member.take_outgoing().empty());
  member.freeze(story.frozen[1]);
  CHECK_FALSE(member.wants_freeze());
  const auto answers = member.take_outgoing();
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].message.kind == Kind::promise);
  CHECK(answers[0].message.ballot == 4);
  CHECK(answers[0].message.frozen == story.frozen[1]);

  Agreement& leader = *story.all[0];
  situation.suspects = ranks({2});
  leader.turn({}, situation);
  CHECK(leader.wants_freeze());
  CHECK(leader.take_outgoing().empty());
}

TEST_CASE("a promise is kept: neither a lower prepare nor a lower accept gets a vote") {
  Story story(3);
  Agreement& member = *story.all[2];
  member.turn({}, {});
  member.freeze(story.frozen[2]);
  CHECK(member.receive(1, message(Kind::prepare, 5)));
  CHECK(member.take_outgoing().at(0).message.kind == Kind::promise);
  const Change change = make_change(story.old, RankSet::all(3), {}, {}, {{18}});
  for (const Message& lower : {message(Kind::prepare, 4), message(Kind::accept, 4, change)}) {
    CHECK(member.receive(0, lower));
    const auto answers = member.take_outgoing();
    REQUIRE(answers.size() == 1);
    CHECK(answers[0].message.kind == Kind::refused);
    CHECK(answers[0].message.ballot == 4);
    CHECK(answers[0].message.other == 5);
  }
  // The same again gets the same answer, and what it accepts it remembers.
  CHECK(member.receive(1, message(Kind::accept, 5, change)));
  CHECK(member.take_outgoing().at(0).message.kind == Kind::accepted);
  CHECK(member.receive(0, message(Kind::prepare, 7)));
  const auto answers = member.take_outgoing();
  CHECK(answers.at(0).message.other == 5);
  CHECK(answers.at(0).message.change == change);
}

TEST_CASE("a member whose promise is needed becomes a suspect: the ballot goes on without it") {
  Story story(5);
  story.crash_and_be_noticed(4);
  story.crash(3);
  story.settle();
  CHECK_FALSE(story.decided(0));
  story.suspect(3);
  story.settle();
  REQUIRE(story.agreed());
  CHECK(story.agreed()->kept == ranks({0, 1, 2}));
}

TEST_CASE("a proposal that nobody accepted yet is replaced when it keeps a new suspect") {
  for (const bool somebody_accepted : {false, true}) {
    Story story(5);
    story.crash_and_be_noticed(4);
    story.lost = [&](Rank, Rank to, const Message& sent) {
      return sent.kind == Kind::accept && !(somebody_accepted && to == 1);
    };
    story.settle();
    story.lost = {};
    CHECK_FALSE(story.decided(0));
    story.crash_and_be_noticed(3);
    story.pass(100ms);
    REQUIRE(story.agreed());
    CHECK(story.agreed()->kept.contains(3) == somebody_accepted);
  }
}

TEST_CASE("a proposal is not replaced by another if a lost vote was given to it") {
  Story story(5);
  story.crash_and_be_noticed(4);
  story.lost = [](Rank, Rank to, const Message& sent) {
    return sent.kind == Kind::accepted || (sent.kind == Kind::accept && to != 1);
  };
  story.settle();
  story.lost = {};
  story.crash_and_be_noticed(3);
  story.pass(100ms);
  REQUIRE(story.agreed());
  CHECK(story.agreed()->kept == ranks({0, 1, 2, 3}));
}

TEST_CASE("what is lost is sent again after the patience, no earlier and no later") {
  for (const Kind kind :
       {Kind::prepare, Kind::promise, Kind::accept, Kind::accepted, Kind::decided}) {
    Story story(3);
    story.want_change();
    bool losing = true;
    story.lost = [&](Rank, Rank, const Message& sent) { return losing && sent.kind == kind; };
    story.settle();
    losing = false;
    CHECK_FALSE(story.agreed());
    Time due = never;
    for (const auto& agreement : story.all) due = std::min(due, agreement->deadline());
    CHECK(due == story.now + 20ms);
    story.now = due - 1ns;
    story.settle();
    CHECK_FALSE(story.agreed());
    story.now = due;
    story.settle();
    CHECK(story.agreed());
  }
}

TEST_CASE("of several accepted values, a coordinator takes over that of the highest ballot") {
  // Both ways round, so that it is not the order of arrival or of ranks that decides.
  for (const Ballot first : {1U, 6U}) {
    Story story(5);
    Agreement& leader = *story.all[2];
    Situation situation;
    situation.suspects = ranks({0, 1});
    leader.freeze(story.frozen[2]);
    // It has accepted something itself, in the lowest ballot of all.
    const auto value = [&](Round trim) {
      return make_change(story.old, RankSet::all(5), {}, {}, {{trim}});
    };
    leader.turn({}, {});
    CHECK(leader.receive(0, message(Kind::accept, 1, value(1))));
    CHECK(leader.receive(1, message(Kind::prepare, 7)));
    leader.take_outgoing();
    leader.turn({}, situation);
    const Ballot ballot = leader.take_outgoing().at(0).message.ballot;
    CHECK(ballot > 7);
    const auto promise = [&](Rank from, Ballot accepted, Round trim) {
      Message promised = message(Kind::promise, ballot);
      promised.frozen = story.frozen[from];
      promised.other = accepted;
      if (accepted != 0) promised.change = value(trim);
      CHECK(leader.receive(from, promised));
    };
    promise(3, first, 2);
    promise(4, 7 - first, 3);
    leader.turn({}, situation);
    const auto proposed = leader.take_outgoing();
    REQUIRE(!proposed.empty());
    CHECK(proposed.at(0).message.change == value(first == 6 ? 2 : 3));
  }
}

TEST_CASE("a member that accepts twice speaks of the later value only") {
  Story story(3);
  Agreement& member = *story.all[2];
  member.turn({}, {});
  member.freeze(story.frozen[2]);
  for (const Ballot ballot : {1U, 4U, 7U})
    CHECK(member.receive(0, message(Kind::accept, ballot,
                                    make_change(story.old, RankSet::all(3), {}, {}, {{ballot}}))));
  member.take_outgoing();
  CHECK(member.receive(1, message(Kind::prepare, 8)));
  const Message promise = member.take_outgoing().at(0).message;
  CHECK(promise.other == 7);
  CHECK(promise.change->trim == Rounds{{7}});
}

TEST_CASE("repeated messages change nothing") {
  Story story(3);
  story.crash_and_be_noticed(2);
  for (int step = 0; step < 20; ++step) {
    story.turn(0), story.turn(1);
    const auto again = story.flying;
    story.flying.insert(story.flying.end(), again.begin(), again.end());
    story.step();
  }
  CHECK(story.agreed());
}

TEST_CASE("hostile_bytes: what no member would say is refused and changes nothing") {
  Story story(3);
  Agreement& member = *story.all[2];
  member.turn({}, {});
  member.freeze(story.frozen[2]);  // holds 18 rounds
  const auto refuses = [&](Rank from, const Message& what) {
    const bool refused = !member.receive(from, what);
    return refused && member.take_outgoing().empty() && !member.decided();
  };
  const auto to = [&](Rounds trim) {
    return make_change(story.old, RankSet::all(3), {}, {}, std::move(trim));
  };
  Message other_view = message(Kind::prepare, 1);
  other_view.view = ViewId{6};
  CHECK(refuses(0, other_view));
  CHECK(refuses(2, message(Kind::ask, 0)));
  CHECK(refuses(3, message(Kind::ask, 0)));
  CHECK(refuses(0, message(Kind::prepare, 2)));
  CHECK(refuses(0, message(Kind::accept, 2, to({{18}}))));
  CHECK(refuses(0, message(Kind::accept, 1)));
  CHECK(refuses(0, message(Kind::decided, 0)));
  CHECK(refuses(0, message(Kind::accept, 1, to({{19}}))));
  CHECK(refuses(0, message(Kind::decided, 0, to({{18, 1}}))));
  Change strange = to({{18}});
  strange.next.members[1].incarnation = Incarnation{2};
  CHECK(refuses(0, message(Kind::decided, 0, strange)));
  CHECK(member.receive(0, message(Kind::accept, 1, to({{18}}))));

  // A coordinator that waits for promises.
  Agreement& leader = *story.all[0];
  Situation situation;
  situation.suspects = ranks({2});
  leader.turn({}, situation);
  leader.freeze(story.frozen[0]);
  leader.turn({}, situation);
  Message promise = message(Kind::promise, leader.take_outgoing().at(0).message.ballot);
  promise.frozen = {{{1, 2}}};
  CHECK_FALSE(leader.receive(1, promise));
  promise.frozen = {{{19}}};
  promise.other = promise.ballot + 1;
  promise.change = to({{18}});
  CHECK_FALSE(leader.receive(1, promise));
  leader.turn({}, situation);
  CHECK(leader.take_outgoing().empty());
  promise.other = 0;
  promise.change = {};
  CHECK(leader.receive(1, promise));
  leader.turn({}, situation);
  CHECK_FALSE(leader.take_outgoing().empty());

  // Nobody counts on a member that has not promised.
  CHECK_FALSE(story.all[1]->receive(0, message(Kind::decided, 0, to({{18}}))));
}

}  // namespace
}  // namespace squall::membership
