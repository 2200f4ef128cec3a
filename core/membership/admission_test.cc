// Admission as members see it, as stories with the time set by hand.
#include "core/membership/admission.h"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

#include "core/membership/admission_story.h"

namespace squall::membership {
namespace {

using namespace admission_story;
using AdmissionKind = Admission::Action::Kind;

constexpr Duration beat = 20ms;

struct AdmissionStory {
  Admission admission{"tcp", beat};
  View view = view_of(3, "ab");
  Entry entry;

  void comes(fabric::LineId line, const std::string& name, std::uint64_t run = 1, Time now = {}) {
    admission.guest(line, introduction(name, run), now);
  }
  void asks(fabric::LineId line, const std::string& name, int value, std::uint64_t run = 1,
            Time now = {}) {
    comes(line, name, run, now);
    admission.said(line, encode(request(value)), now);
  }
  std::vector<Admission::Action> step(Time now) {
    admission.step(view, entry, now);
    return admission.take_actions();
  }
  /// The one thing that is said, or done.
  Admission::Action only(Time now) {
    auto actions = step(now);
    REQUIRE(actions.size() == 1);
    return actions.front();
  }
  Word told(Time now) {
    const auto action = only(now);
    REQUIRE(action.kind == AdmissionKind::say);
    auto word = decode_word(action.bytes);
    REQUIRE(word);
    return *word;
  }
  Error sent_away(Time now) {
    const auto action = only(now);
    REQUIRE(action.kind == AdmissionKind::dismiss);
    return action.error;
  }
  /// A view with these, who came with it; this member was there before.
  Change begins(std::vector<Joiner> joiners) {
    Change change = make_change(view, RankSet::all(view.size()), {}, std::move(joiners), {});
    view = change.next;
    return change;
  }
  void enter(const Change& change) {
    entry = {&change, false, {}};
    for (const Member& each : view.members)
      entry.members.push_back({"tcp of " + each.name, "here", {}});
  }
};

TEST_CASE("who asks waits, is named to the coordinator, and hears so with every beat") {
  AdmissionStory story;
  story.asks(7, "c", 1);
  CHECK(story.told(at(0)).kind == Word::Kind::pending);
  REQUIRE(story.admission.waiting().size() == 1);
  CHECK(story.admission.waiting()[0] == joiner("c", 1));
  CHECK(story.admission.deadline() == at(20));
  CHECK(story.step(at(19)).empty());
  CHECK(story.told(at(20)).text.empty());
  CHECK(story.told(at(40)).kind == Word::Kind::pending);
  CHECK(story.admission.waiting().size() == 1);
}

TEST_CASE("who goes is named no more") {
  AdmissionStory story;
  story.asks(7, "c", 1);
  story.step(at(0));
  story.admission.ended(7);
  CHECK(story.step(at(1)).empty());
  CHECK(story.admission.waiting().empty());
  CHECK(story.admission.deadline() == never);
}

TEST_CASE("a guest that asks for nothing is sent away after 2 s") {
  AdmissionStory story;
  story.comes(7, "c");
  CHECK(story.admission.deadline() == at(2000));
  CHECK(story.step(at(1999)).empty());
  CHECK(story.sent_away(at(2000)).code == Code::timeout);
  CHECK(story.admission.refused() == 1);
  CHECK(story.admission.deadline() == never);
}

TEST_CASE("garbled words, words of members and a second request cost the guest its place") {
  for (const auto& bytes : {std::vector<std::byte>(3), encode(pending()), encode(request(1))}) {
    AdmissionStory story;
    story.asks(7, "c", 1);
    story.admission.said(7, bytes, at(0));
    CHECK(story.sent_away(at(0)).code == Code::invalid);
    CHECK(story.admission.waiting().empty());
    story.admission.said(7, bytes, at(1));  // still on its way
    CHECK(story.step(at(2)).empty());
    CHECK(story.admission.refused() == 1);
  }
}

TEST_CASE("a joiner that does not offer the group's fabric is refused, with the fabric's name") {
  AdmissionStory story;
  story.admission = Admission("ofi:efa", beat);
  story.asks(7, "c", 1);
  const Error why = story.sent_away(at(0));
  CHECK(why.code == Code::refused);
  CHECK(why.what == "the group runs on ofi:efa, which c does not offer");
}

TEST_CASE("a judge may refuse, and sees the credentials") {
  AdmissionStory story;
  story.admission =
      Admission("tcp", beat, [](const fabric::Introduction& who, Bytes credentials) -> Result<> {
        if (as_text(credentials) == "sesame") return {};
        return fail(Code::refused, who.name + " does not know the word");
      });
  Word word = request(1);
  story.comes(7, "c");
  story.admission.said(7, encode(word), at(0));
  CHECK(story.sent_away(at(0)).what == "c does not know the word");
  word.credentials.assign(as_bytes("sesame").begin(), as_bytes("sesame").end());
  story.comes(8, "c");
  story.admission.said(8, encode(word), at(0));
  CHECK(story.told(at(0)).kind == Word::Kind::pending);
}

TEST_CASE("fast_restart_same_identity: a run waits until the former one is out of the view") {
  AdmissionStory story;
  story.asks(7, "b", 1, 2);  // run 1 is in the view
  const Word word = story.told(at(0));
  CHECK(word.text == "a member named b is in the view already; its former run has to be out first");
  CHECK(story.admission.waiting().empty());
  CHECK(story.told(at(20)).text == word.text);
  story.view = view_of(4, "a");
  story.step(at(21));
  REQUIRE(story.admission.waiting().size() == 1);
  CHECK(story.admission.waiting()[0] == joiner("b", 1, 2));
}

TEST_CASE("an earlier run than the one in the view is refused for good") {
  AdmissionStory story;
  story.view = view_of(3, "ab", 5);
  story.asks(7, "b", 1, 4);
  const Error why = story.sent_away(at(0));
  CHECK(why.code == Code::refused);
  CHECK(why.what == "a later run of b is in the view already");
}

TEST_CASE(
    "a run that was admitted, and asks when nobody remembers how, is told to ask as another") {
  AdmissionStory story;
  story.asks(7, "b", 1, 1);
  CHECK(story.sent_away(at(0)).code == Code::closed);
}

TEST_CASE("a member that came with the same view cannot tell another joiner, so that one waits") {
  AdmissionStory story;
  story.entry.joined = true;
  story.asks(7, "b", 1, 1);
  CHECK(story.told(at(0)).text == "it is admitted; an older member has to tell it");
  CHECK(story.admission.waiting().empty());
}

TEST_CASE("a full view makes joiners wait, and says so") {
  AdmissionStory story;
  story.view = {ViewId{3}, {}};
  for (Rank rank = 0; rank < max_members; ++rank)
    story.view.members.push_back(member("m" + std::to_string(rank)));
  story.asks(7, "c", 1);
  CHECK(story.told(at(0)).text == "the view is full: 256 members");
  CHECK(story.admission.waiting().empty());
  story.view.members.pop_back();
  story.step(at(20));
  CHECK(story.admission.waiting().size() == 1);
}

TEST_CASE("who is in the view is told so once: who is in it, how they are reached, and tickets") {
  AdmissionStory story;
  story.asks(7, "c", 1);
  story.step(at(0));
  const Change change = story.begins({joiner("c", 1)});
  story.enter(change);
  const Word word = story.told(at(5));
  REQUIRE(word.kind == Word::Kind::admitted);
  CHECK(word.provider == "tcp");
  CHECK(word.view.id == ViewId{4});
  REQUIRE(word.members.size() == 3);
  for (const Rank rank : {0, 1}) {
    CHECK(word.members[rank].fabric_address == "tcp of " + change.next.members[rank].name);
    CHECK(word.members[rank].ticket == secret_between(change, rank, 2));
  }
  CHECK(word.members[0].ticket != word.members[1].ticket);
  CHECK(word.members[2] == Access{});
  CHECK(story.admission.waiting().empty());
  CHECK(story.step(at(25)).empty());
  CHECK(story.step(at(45)).empty());
}

TEST_CASE("joiners of one change hold the same ticket for each other, and nobody else's") {
  AdmissionStory story;
  story.asks(7, "c", 1);
  story.asks(8, "d", 2);
  story.step(at(0));
  const Change change = story.begins({joiner("c", 1), joiner("d", 2)});
  story.enter(change);
  const auto actions = story.step(at(5));
  REQUIRE(actions.size() == 2);
  const auto c = decode_word(actions[0].bytes), d = decode_word(actions[1].bytes);
  REQUIRE(c);
  REQUIRE(d);
  CHECK(c->members[3].ticket == d->members[2].ticket);
  CHECK(c->members[0].ticket != d->members[0].ticket);
  CHECK(c->members[3].ticket != c->members[0].ticket);
}

TEST_CASE("a request with another secret than the admitted one's is not told the tickets") {
  AdmissionStory story;
  story.asks(7, "c", 2);
  story.step(at(0));
  const Change change = story.begins({joiner("c", 1)});
  story.enter(change);
  CHECK(story.sent_away(at(5)).code == Code::closed);
}

TEST_CASE("who was told goes, or is sent away after 2 s: its place is for others") {
  AdmissionStory story;
  story.asks(7, "c", 1);
  story.step(at(0));
  const Change change = story.begins({joiner("c", 1)});
  story.enter(change);
  story.told(at(1000));
  CHECK(story.admission.deadline() == at(3000));
  CHECK(story.step(at(2999)).empty());
  CHECK(story.sent_away(at(3000)).code == Code::closed);
  CHECK(story.admission.deadline() == never);
  CHECK(story.admission.refused() == 0);
}

TEST_CASE(
    "of two runs of one node both are named; once the later one is in, the other is refused") {
  AdmissionStory story;
  story.asks(7, "c", 1, 1);
  story.asks(8, "c", 2, 2);
  CHECK(story.step(at(0)).size() == 2);
  CHECK(story.admission.waiting().size() == 2);
  const Change change = story.begins({joiner("c", 2, 2)});
  story.enter(change);
  const auto actions = story.step(at(5));
  REQUIRE(actions.size() == 2);
  CHECK(actions[0].kind == AdmissionKind::dismiss);
  CHECK(actions[0].error.code == Code::refused);
  CHECK(decode_word(actions[1].bytes)->kind == Word::Kind::admitted);
}

TEST_CASE("who closes sends everybody away, and may open again") {
  AdmissionStory story;
  story.asks(7, "c", 1);
  story.comes(8, "d");
  story.admission.close(Error{Code::would_block, "it is leaving", ""});
  const auto actions = story.step(at(0));
  REQUIRE(actions.size() == 2);
  for (const auto& action : actions) CHECK(action.error.what == "it is leaving");
  CHECK(story.admission.waiting().empty());
  story.asks(9, "c", 1);
  CHECK(story.sent_away(at(1)).code == Code::would_block);
  story.admission.close({});
  story.asks(10, "c", 1);
  CHECK(story.told(at(2)).kind == Word::Kind::pending);
}

TEST_CASE("a name that would write on a terminal is refused") {
  AdmissionStory story;
  story.asks(7, "c\x1b[2J", 1);
  const Error why = story.sent_away(at(0));
  CHECK(why.code == Code::refused);
  CHECK(why.text().find('\x1b') == std::string::npos);
}

}  // namespace
}  // namespace squall::membership
