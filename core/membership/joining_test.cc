// Admission as joiners see it, as stories with the time set by hand.
#include "core/membership/joining.h"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

#include "core/membership/admission_story.h"

namespace squall::membership {
namespace {

using namespace admission_story;
using JoiningKind = Joining::Action::Kind;

constexpr Duration line_patience = 200ms;
const Error nobody{Code::unavailable, "connection refused", ""};

/// c asks the contacts, whose names are one letter each.
struct JoiningStory {
  Joining joining;
  fabric::LineId line = 0;

  explicit JoiningStory(const std::string& contacts, Rank first = 0, std::optional<Rank> self = {})
      : joining(names(contacts), self, member("c"), request(1), line_patience, first) {}
  static std::vector<std::string> names(const std::string& letters) {
    std::vector<std::string> list;
    for (const char letter : letters) list.emplace_back(1, letter);
    return list;
  }

  /// Whom it visits now; nullopt: nobody new.
  std::optional<Rank> visits(Time now) {
    joining.step(now);  // may leave one...
    joining.step(now);  // ...and ask another
    std::optional<Rank> whom;
    for (const auto& action : joining.take_actions()) {
      if (action.kind != JoiningKind::visit) continue;
      whom = action.contact;
      joining.visiting(++line);
    }
    return whom;
  }
  void hears(const Word& word, Time now) { joining.said(line, encode(word), now); }
  void ends(const Error& error, Time now) { joining.ended(line, error, now); }
  bool sends_away(fabric::LineId whom) {
    for (const auto& action : joining.take_actions())
      if (action.kind == JoiningKind::dismiss && action.line == whom) return true;
    return false;
  }
};

TEST_CASE("it asks one contact, once it is received, and is admitted into the view") {
  JoiningStory story("ab");
  CHECK(story.visits(at(0)) == Rank{0});
  CHECK_FALSE(story.visits(at(1)));
  story.joining.welcomed(story.line, at(2));
  const auto actions = story.joining.take_actions();
  REQUIRE(actions.size() == 1);
  CHECK(actions[0].kind == JoiningKind::say);
  CHECK(actions[0].bytes == encode(request(1)));
  story.hears(pending(), at(3));
  CHECK_FALSE(story.joining.admitted());
  story.hears(admitted(view_of(4, "abc")), at(4));
  REQUIRE(story.joining.admitted());
  CHECK(story.joining.admitted()->view.id == ViewId{4});
  CHECK(story.joining.deadline() == never);
  CHECK_FALSE(story.visits(at(1000)));
}

TEST_CASE("once admitted it goes, and nothing that is said afterwards changes anything") {
  JoiningStory story("ab");
  story.visits(at(0));
  story.hears(admitted(view_of(4, "abc")), at(4));
  CHECK(story.sends_away(story.line));
  story.hears(admitted(view_of(9, "bc")), at(5));
  story.joining.said(story.line, as_bytes("?"), at(5));
  story.ends({Code::refused, "never", ""}, at(6));
  CHECK(story.joining.admitted()->view.id == ViewId{4});
  CHECK_FALSE(story.joining.refused());
}

TEST_CASE("it begins with the contact that it is told, and leaves itself out") {
  CHECK(JoiningStory("abd", 1).visits(at(0)) == Rank{1});
  CHECK(JoiningStory("abd", 5).visits(at(0)) == Rank{2});
  JoiningStory story("abc", 2, Rank{2});
  CHECK(story.visits(at(0)) == Rank{0});
  story.ends(nobody, at(1));
  CHECK(story.visits(at(1)) == Rank{1});
  story.ends(nobody, at(2));
  CHECK_FALSE(story.visits(at(11)));
  CHECK(story.visits(at(12)) == Rank{0});
  CHECK(story.joining.heard() == "a: connection refused; b: connection refused");
}

TEST_CASE("when its contact dies it asks the next one at once") {
  JoiningStory story("ab");
  story.visits(at(0));
  story.hears(pending(), at(5));
  story.ends({Code::lost, "closed the connection", ""}, at(10));
  CHECK(story.joining.deadline() == at(10));
  CHECK(story.visits(at(10)) == Rank{1});
}

TEST_CASE("a contact that is silent for the line_patience is left, one that says pending is not") {
  JoiningStory story("ab");
  story.visits(at(0));
  CHECK(story.joining.deadline() == at(200));
  story.joining.welcomed(story.line, at(150));
  story.hears(pending(), at(340));
  CHECK_FALSE(story.visits(at(539)));
  story.joining.step(at(540));
  CHECK(story.sends_away(1));
  CHECK(story.visits(at(540)) == Rank{1});
  CHECK(story.joining.heard() == "a: does not answer; b: not asked yet");
}

TEST_CASE("a contact that sends it away, for now, is asked again later") {
  JoiningStory story("a");
  story.visits(at(0));
  story.ends({Code::would_block, "a refused: it is leaving", ""}, at(1));
  CHECK_FALSE(story.joining.refused());
  CHECK_FALSE(story.visits(at(10)));
  CHECK(story.visits(at(11)) == Rank{0});
}

TEST_CASE("its pauses grow with every round, up to a limit") {
  JoiningStory story("a");
  Time now = at(0);
  Duration last{};
  for (int round = 0; round < 12; ++round) {
    REQUIRE(story.visits(now));
    story.ends(nobody, now);
    const Duration pause = story.joining.deadline() - now;
    CHECK(pause == std::min<Duration>(round == 0 ? 10ms : 2 * last, 500ms));
    last = pause;
    now += pause;
  }
  CHECK(last == 500ms);
}

TEST_CASE("refusals for good end it; one by a later view's rules asks for another run") {
  for (const Code code : {Code::refused, Code::invalid, Code::closed}) {
    JoiningStory story("ab");
    story.visits(at(0));
    story.ends({code, "a refused: no", "do something"}, at(1));
    REQUIRE(story.joining.refused());
    CHECK(story.joining.refused()->code == code);
    CHECK(story.joining.refused()->remedy == "do something");
    CHECK(story.joining.deadline() == never);
    CHECK_FALSE(story.visits(at(1000)));
  }
}

TEST_CASE("who says what no member would is left, and asked again in its turn") {
  const auto same_run_is_not_in = admitted(view_of(4, "abc", 2));
  for (const Word& word : {request(1), admitted(view_of(4, "ab")), same_run_is_not_in}) {
    JoiningStory story("ab");
    story.visits(at(0));
    story.hears(word, at(1));
    CHECK_FALSE(story.joining.admitted());
    CHECK(story.sends_away(1));
    CHECK(story.visits(at(1)) == Rank{1});
    CHECK(story.joining.heard() == "a: says what no member would; b: not asked yet");
  }
}

TEST_CASE("what comes late from a contact that was left is of no interest") {
  JoiningStory story("ab");
  story.visits(at(0));
  story.visits(at(200));
  REQUIRE(story.line == 2);
  story.joining.welcomed(1, at(201));
  story.joining.said(1, encode(admitted(view_of(4, "abc"))), at(201));
  story.joining.ended(1, {Code::refused, "no", ""}, at(201));
  CHECK_FALSE(story.joining.admitted());
  CHECK_FALSE(story.joining.refused());
  CHECK(story.joining.take_actions().empty());
}

TEST_CASE("nobody has a group when all others say so, and not before") {
  JoiningStory story("cab", 0, Rank{0});
  CHECK_FALSE(story.joining.nobody_has_a_group());
  story.visits(at(0));
  story.ends(nobody, at(1));
  CHECK_FALSE(story.joining.nobody_has_a_group());
  story.visits(at(1));
  story.ends({Code::unavailable, "b refused: there is no group here yet", ""}, at(2));
  CHECK(story.joining.nobody_has_a_group());
}

TEST_CASE("a contact that is silent, dies or has a group speaks against creating another") {
  const auto then_b_has_none = [](JoiningStory& story, Time now) {
    if (story.visits(now) != Rank{2}) return false;
    story.ends(nobody, now);
    return !story.joining.nobody_has_a_group();
  };
  JoiningStory silent("cab", 0, Rank{0});
  silent.visits(at(0));
  CHECK(then_b_has_none(silent, at(200)));
  JoiningStory dies("cab", 0, Rank{0});
  dies.visits(at(0));
  dies.ends({Code::lost, "closed the connection", ""}, at(1));
  CHECK(then_b_has_none(dies, at(1)));
  JoiningStory group("cab", 0, Rank{0});
  group.visits(at(0));
  group.hears(pending(), at(1));
  group.ends({Code::lost, "closed the connection", ""}, at(2));
  CHECK(then_b_has_none(group, at(2)));
}

TEST_CASE("what a contact said before it was asked again is no answer any more") {
  JoiningStory story("ca", 0, Rank{0});
  story.visits(at(0));
  story.ends(nobody, at(1));
  CHECK(story.joining.nobody_has_a_group());
  // It was not created then; meanwhile a has started, and is busy.
  REQUIRE(story.visits(at(11)));
  CHECK_FALSE(story.joining.nobody_has_a_group());
  story.visits(at(211));
  CHECK_FALSE(story.joining.nobody_has_a_group());
}

TEST_CASE("alone among its contacts it asks nobody, and waits for nothing") {
  JoiningStory story("c", 0, Rank{0});
  CHECK_FALSE(story.visits(at(0)));
  CHECK(story.joining.deadline() == never);
  CHECK(story.joining.nobody_has_a_group());
}

}  // namespace
}  // namespace squall::membership
