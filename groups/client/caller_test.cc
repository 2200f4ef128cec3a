// A client's machine as stories: which member it goes to, what it says again, and when it gives up,
// with the time set by hand.
#include "groups/client/caller.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace squall::clients {
namespace {

using Kind = RecordHeader::Kind;

Time at(int ms) {
  return Time{} + std::chrono::milliseconds(ms);
}

struct Heard {
  RecordHeader header;
  std::vector<std::byte> body;
};

struct CallerStory {
  explicit CallerStory(std::vector<std::string> contacts = {"a", "b", "c"})
      : caller({std::move(contacts), 0, 1000ms, 10s, 1}, at(0)) {}

  void step(int ms) {
    now = at(ms);
    caller.step(now);
    for (auto& action : caller.take_actions()) {
      if (action.kind == Caller::Action::Kind::visit) {
        lines.push_back(action.contact);
        caller.visiting(action.contact, lines.size());
      } else if (action.kind == Caller::Action::Kind::dismiss) {
        dismissed.push_back(action.why);
      } else {
        auto& stream = streams.try_emplace(action.line, most_request_bytes * 2).first->second;
        stream.feed(action.bytes);
        while (const auto record = stream.next())
          heard.push_back({record->header, {record->body.begin(), record->body.end()}});
        CHECK(stream.ok());
      }
    }
    for (auto& each : caller.take_done()) done.push_back(std::move(each));
    for (auto& each : caller.take_notices()) notices.push_back(std::move(each));
  }
  /// Whom it visits now; the line of it is the number of visits.
  char visited() const { return static_cast<char>('a' + lines.back()); }
  fabric::LineId line() const { return lines.size(); }

  void says(Kind kind, TargetId target = 0, std::uint64_t number = 0, std::uint64_t more = 0,
            Bytes body = {}, std::uint64_t what = 0) {
    RecordHeader header;
    header.kind = kind;
    header.target = target;
    header.number = number;
    header.more = more;
    header.what = what;
    std::vector<std::byte> word;
    append(word, header, body);
    caller.said(line(), word, now);
  }
  /// The present one welcomes it and serves the targets.
  void serves(int ms, std::vector<TargetId> targets) {
    caller.welcomed(line(), at(ms));
    step(ms);
    says(Kind::ready);
    step(ms);
    for (const TargetId target : targets) says(Kind::opened, target);
    step(ms);
  }
  void ends(int ms, Error error = {Code::lost, "closed the connection", ""}) {
    caller.ended(line(), error, at(ms));
    step(ms);
  }
  std::vector<std::uint64_t> numbers(Kind kind) {
    std::vector<std::uint64_t> all;
    for (const Heard& each : heard)
      if (each.header.kind == kind) all.push_back(each.header.number);
    heard.clear();
    return all;
  }
  CallNumber update(TargetId target) {
    return caller.begin(target, Caller::What::update, 7, {}, now);
  }
  CallNumber read(TargetId target) { return caller.begin(target, Caller::What::read, 8, {}, now); }
  TargetId open(std::uint32_t shard = 0) {
    return caller.open({"store", shard, 0, "Inventory"}, now);
  }

  Caller caller;
  Time now{};
  std::vector<Rank> lines;
  std::map<fabric::LineId, Stream> streams;
  std::vector<Heard> heard;
  std::vector<std::string> dismissed;
  std::vector<Caller::Done> done;
  std::vector<Caller::Notice> notices;
};

using Numbers = std::vector<std::uint64_t>;

TEST_CASE("it asks one contact after the other, and rests when it has asked them all") {
  CallerStory story;
  story.step(0);
  CHECK(story.visited() == 'a');
  story.ends(1, {Code::unavailable, "Connection refused", ""});
  CHECK(story.visited() == 'b');
  // Silent.
  for (const int ms : {400, 800, 1000}) story.step(ms);
  CHECK(story.visited() == 'b');
  story.step(1001);
  CHECK(story.dismissed == std::vector<std::string>{"does not answer"});
  CHECK(story.visited() == 'c');
  story.ends(1002, {Code::would_block, "it has no contact with a majority", ""});
  CHECK(story.lines.size() == 3);
  CHECK(story.caller.deadline() == at(1012));
  story.step(1012);
  CHECK(story.visited() == 'a');
  story.serves(1013, {0});
  CHECK(story.caller.server(0) == Rank{0});
  CHECK_FALSE(story.caller.failure(0));
}

TEST_CASE("it gives up in time, or when nobody will ever say otherwise") {
  CallerStory story({"a"});
  for (int ms = 0; ms <= 10'000; ms += 100) {
    story.step(ms);
    if (!story.lines.empty()) story.ends(ms, {Code::unavailable, "Connection refused", ""});
    CHECK(story.caller.failure(0).has_value() == (ms == 10'000));
  }
  CHECK(story.caller.failure(0)->what == "no contact serves clients: a: Connection refused");
  CallerStory refused({"a", "b"});
  refused.step(0);
  refused.ends(1, {Code::refused, "another layout", ""});
  CHECK_FALSE(refused.caller.failure(0));
  refused.ends(2, {Code::unavailable, "Connection refused", ""});
  REQUIRE(refused.caller.failure(0));
  CHECK(refused.caller.failure(0)->what == "a: another layout");
}

TEST_CASE("updates go out in order within a session, and again under their numbers elsewhere") {
  CallerStory story;
  const TargetId store = story.open();
  for (int i = 0; i < 3; ++i) story.update(store);
  story.step(0);
  story.serves(1, {0, store});
  CHECK(story.numbers(Kind::session).size() == 1);
  story.says(Kind::session, store, 41);
  story.step(2);
  CHECK(story.numbers(Kind::update) == Numbers{1, 2, 3});
  story.says(Kind::updated, store, 1, 41, {}, 9);
  story.update(store);
  story.step(3);
  REQUIRE(story.done.size() == 1);
  CHECK(story.done[0].version == 8);
  CHECK(story.heard.back().header.more == 1);
  CHECK(story.numbers(Kind::update) == Numbers{4});
  // The member dies; another one hears the unanswered ones again, and no new session.
  story.ends(4);
  CHECK(story.visited() == 'b');
  story.serves(5, {0, store});
  CHECK(story.heard.back().header.more == 1);
  CHECK(story.numbers(Kind::update) == Numbers{2, 3, 4});
  // An answer of another session is none.
  story.says(Kind::updated, store, 2, 40);
  story.step(6);
  CHECK(story.done.size() == 1);
  for (const std::uint64_t number : {2, 3, 4}) story.says(Kind::updated, store, number, 41);
  story.step(7);
  CHECK(story.done.size() == 4);
  CHECK(story.caller.calls() == 0);
  CHECK(story.caller.call_bytes() == 0);
}

TEST_CASE("no more updates are on their way than the members remember replies of") {
  CallerStory story;
  const TargetId store = story.open();
  for (int i = 0; i < 200; ++i) story.update(store);
  story.step(0);
  story.serves(1, {0, store});
  story.says(Kind::session, store, 0);
  story.step(2);
  CHECK(story.numbers(Kind::update).size() == most_unanswered_updates);
  story.says(Kind::updated, store, 1, 0);
  story.says(Kind::updated, store, 2, 0);
  story.step(3);
  CHECK(story.numbers(Kind::update) ==
        Numbers{most_unanswered_updates + 1, most_unanswered_updates + 2});
}

TEST_CASE("a forgotten session costs what was said in it, and what follows has a new one") {
  CallerStory story;
  const TargetId store = story.open();
  for (int i = 0; i < 70; ++i) story.update(store);
  story.step(0);
  story.serves(1, {0, store});
  story.says(Kind::session, store, 5);
  story.step(2);
  story.says(Kind::expired, store, 1, 5);
  story.says(Kind::expired, store, 2, 5);
  story.heard.clear();
  story.step(3);
  CHECK(story.done.size() == most_unanswered_updates);
  for (const auto& each : story.done) {
    CHECK(each.failed);
    CHECK(each.effect == Effect::unknown);
    CHECK(objects::decode_error(each.bytes).code == Code::lost);
  }
  CHECK(story.numbers(Kind::session).size() == 1);
  story.says(Kind::session, store, 900);
  story.step(4);
  CHECK(story.numbers(Kind::update) == Numbers{1, 2, 3, 4, 5, 6});
}

TEST_CASE("a read says what has been seen, and is asked again elsewhere") {
  CallerStory story;
  const TargetId store = story.open();
  story.read(store);
  story.step(0);
  story.serves(1, {0, store});
  REQUIRE(story.heard.back().header.kind == Kind::read);
  CHECK(story.heard.back().header.more == 0);
  const auto first = story.heard.back().header.number;
  story.says(Kind::answered, store, first, 0, {}, 12);
  story.heard.clear();
  const auto second = story.read(store);
  story.step(2);
  CHECK(story.heard.back().header.more == 12);
  story.ends(3);
  story.heard.clear();
  story.serves(4, {0, store});
  CHECK(story.heard.back().header.more == 12);
  CHECK(story.numbers(Kind::read) == Numbers{second});
}

TEST_CASE("without any member, what was said may have happened, and what was not did not") {
  CallerStory story({"a"});
  const TargetId store = story.open();
  for (int i = 0; i < 65; ++i) story.update(store);
  story.step(0);
  story.serves(1, {0, store});
  story.says(Kind::session, store, 5);
  story.step(2);
  story.ends(100);
  story.read(store);
  for (int ms = 200; ms <= 10'100; ms += 100) {
    CHECK(story.done.empty());
    story.step(ms);
    if (story.dismissed.empty() && ms < 10'100)
      story.ends(ms, {Code::unavailable, "Connection refused", ""});
  }
  REQUIRE(story.done.size() == 66);
  CHECK(std::ranges::count(story.done, Effect::unknown, &Caller::Done::effect) == 64);
  CHECK(std::ranges::count(story.done, Effect::no, &Caller::Done::effect) == 2);
  // What follows does so in a session of its own: the old numbers may still be executed.
  story.update(store);
  story.step(10'600);
  story.serves(10'601, {0, store});
  story.heard.clear();
  story.says(Kind::session, store, 6);
  story.step(10'602);
  CHECK(story.numbers(Kind::update) == Numbers{1});
}

TEST_CASE("whoever is not in a shard says who is, and that one is asked next") {
  CallerStory story;
  const TargetId shard = story.open(1);
  story.step(0);
  story.serves(1, {0});
  story.says(Kind::away, shard, 0, 0, encode(Away{{Code::unavailable, "not here", ""}, {"c"}}));
  story.step(2);
  CHECK(story.visited() == 'c');
  story.serves(3, {shard});
  CHECK(story.caller.server(shard) == Rank{2});
  CHECK(story.caller.server(0) == Rank{0});
  // Its members are others now, and none of them is a contact.
  story.says(Kind::away, shard, 0, 0,
             encode(Away{{Code::unavailable, "not here", ""}, {"x", "y"}}));
  const auto call = story.read(shard);
  for (int ms = 4; ms <= 10'010; ms += 50) {
    story.step(ms);
    // Everyone says the same, as often as it is asked.
    for (fabric::LineId line = 1; line <= story.lines.size(); ++line) {
      story.caller.welcomed(line, story.now);
      std::vector<std::byte> word;
      RecordHeader header;
      header.kind = Kind::ready;
      append(word, header);
      header.kind = Kind::away;
      header.target = shard;
      append(word, header, encode(Away{{Code::unavailable, "not here", ""}, {"x", "y"}}));
      if (story.lines[line - 1] != 0) story.caller.said(line, word, story.now);
      header.kind = Kind::pong;
      word.clear();
      append(word, header);
      story.caller.said(line, word, story.now);
    }
  }
  story.step(10'020);
  REQUIRE(story.done.size() == 1);
  CHECK(story.done[0].call == call);
  const Error error = objects::decode_error(story.done[0].bytes);
  CHECK_MESSAGE(error.what.find("x, y, none of them a contact") != std::string::npos, error.text());
}

TEST_CASE("notices pass on, and after another member there is a gap") {
  CallerStory story;
  const TargetId store = story.open();
  story.caller.listen(store);
  story.step(0);
  story.serves(1, {0, store});
  CHECK(story.heard.back().header.kind == Kind::open);
  CHECK(story.heard.back().header.flag == 1);
  story.says(Kind::notice, store, 0, 0, as_bytes("one"));
  story.step(2);
  REQUIRE(story.notices.size() == 1);
  CHECK(as_text(story.notices[0].bytes) == "one");
  story.ends(3);
  story.serves(4, {0, store});
  REQUIRE(story.notices.size() == 2);
  CHECK(story.notices[1].gap);
}

TEST_CASE(
    "a member that says what none would is left; time in which nobody turned does not count") {
  CallerStory story;
  story.step(0);
  story.serves(1, {0});
  story.step(900);
  // Nobody turned for long: then it is not the member that was silent.
  story.step(60'000);
  CHECK(story.dismissed.empty());
  story.says(Kind::update, 0, 1);
  story.step(60'001);
  CHECK(story.dismissed == std::vector<std::string>{"says what no member would"});
  CHECK(story.visited() == 'b');
}

}  // namespace
}  // namespace squall::clients
