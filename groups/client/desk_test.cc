// The desk as stories: what clients may say, what they get, and when they are sent away.
#include "groups/client/desk.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "groups/client/desk_test_kit.h"

namespace squall::clients {
namespace {

using namespace desk_story;

TEST_CASE("a client is greeted, opens an object, and its calls are answered") {
  Story story;
  story.comes(1);
  CHECK(story.kinds(1) == Kinds{Kind::ready});
  story.says(1, Kind::ping);
  story.opens(1, 3, "store");
  story.step(1);
  CHECK(story.kinds(1) == Kinds{Kind::pong, Kind::opened});
  story.says(1, Kind::session, 3, 0, 77);
  story.step(2);
  CHECK(story.service.asked == std::vector<std::string>{"session 77"});
  story.desk.answer(1, {Answer::Kind::session, Effect::no, 5, {}});
  CHECK(story.desk.due());
  story.updates(1, 3, 1);
  story.says(1, Kind::read, 3, 20, 8);
  story.step(3);
  const auto heard = story.heard(1);
  REQUIRE(heard.size() == 2);
  CHECK(heard[0].header.kind == Kind::session);
  CHECK(heard[0].header.number == 5);
  CHECK(heard[1].header.kind == Kind::answered);
  CHECK(heard[1].header.number == 20);
  CHECK(as_text(heard[1].body) == "read 8");
  CHECK(story.service.asked[1] == "update 1 of 5");
  story.desk.answer(2, {Answer::Kind::value, Effect::yes, 9, as_bytes("five")});
  story.step(4);
  const auto last = story.heard(1);
  REQUIRE(last.size() == 1);
  CHECK(last[0].header.kind == Kind::updated);
  CHECK(last[0].header.more == 5);
  CHECK(last[0].header.what == 9);
  CHECK(as_text(last[0].body) == "five");
}

TEST_CASE("a read waits for the version that its client has seen, but not for ever") {
  Story story;
  story.comes(1);
  story.opens(1, 3, "store");
  story.service.version = 4;
  story.says(1, Kind::read, 3, 1, 8, 5);
  story.says(1, Kind::read, 3, 2, 8, 4);
  story.step(1);
  auto heard = story.heard(1);
  CHECK(heard.back().header.number == 2);
  CHECK(story.desk.deadline() <= at(2));
  story.service.version = 5;
  story.step(2);
  CHECK(story.heard(1).back().header.number == 1);
  story.says(1, Kind::read, 3, 3, 8, 6);
  story.step(3);
  CHECK(story.heard(1).empty());
  story.step(2100);
  heard = story.heard(1);
  REQUIRE(heard.size() == 1);
  CHECK(heard[0].header.flag == 1);
  CHECK(objects::decode_error(heard[0].body).code == Code::would_block);
}

TEST_CASE("updates keep their order while there is no room, and reads pass them by at no time") {
  Story story;
  story.comes(1);
  story.opens(1, 3, "store");
  story.service.refusal = Error{Code::would_block, "", ""};
  for (std::uint64_t number = 1; number <= 3; ++number) story.updates(1, 3, number);
  story.says(1, Kind::read, 3, 9, 8);
  story.step(1);
  story.step(2);
  CHECK(story.service.asked.empty());
  story.service.refusal.reset();
  story.step(3);
  CHECK(story.service.asked ==
        std::vector<std::string>{"update 1 of 5", "update 2 of 5", "update 3 of 5", "read 8"});
}

TEST_CASE("what a service cannot do is its error in order, or sends the client elsewhere") {
  Story story;
  story.comes(1);
  story.opens(1, 3, "store");
  story.step(0);
  story.heard(1);
  story.service.refusal = Error{Code::too_large, "too much", ""};
  story.updates(1, 3, 1);
  story.step(1);
  CHECK(story.service.asked == std::vector<std::string>{"refused 1: too much"});
  story.service.refusal = Error{Code::unavailable, "not here", ""};
  story.updates(1, 3, 2);
  story.updates(1, 3, 3);
  story.step(2);
  CHECK(story.kinds(1) == Kinds{Kind::away});
  // Nobody waits for that any more.
  story.desk.answer(1, {Answer::Kind::value, Effect::yes, 1, {}});
  story.step(3);
  CHECK(story.kinds(1).empty());
}

TEST_CASE("what is served no longer is said, with who has it") {
  Story story;
  story.comes(1);
  story.opens(1, 3, "store");
  story.opens(1, 4, "nothing");
  story.step(1);
  CHECK(story.kinds(1) == Kinds{Kind::ready, Kind::opened, Kind::away});
  story.service.away = Away{{Code::unavailable, "it has moved", ""}, {"b", "c"}};
  story.desk.look_again(story.service);
  story.step(2);
  const auto heard = story.heard(1);
  REQUIRE(heard.size() == 1);
  const auto away = decode_away(heard[0].body);
  REQUIRE(away);
  CHECK(away->why.what == "it has moved");
  CHECK(away->members == std::vector<std::string>{"b", "c"});
}

TEST_CASE("who breaks the protocol is sent away, and nobody else") {
  const auto sent_away = [](auto act) {
    Story story;
    story.comes(1);
    story.comes(2);
    story.opens(1, 3, "store");
    story.step(1);
    act(story);
    story.step(2);
    CHECK(story.dismissed.count(2) == 0);
    CHECK(story.desk.has(2));
    CHECK_FALSE(story.desk.has(1));
    return story.dismissed[1].what;
  };
  const std::string breaks = "breaks the protocol of clients: ";
  CHECK(sent_away([](Story& story) { story.says(1, Kind::hello, 0, 0, magic); }) ==
        breaks + "it says hello first, and once");
  CHECK(sent_away([](Story& story) { story.says(1, Kind::opened, 3); }) ==
        breaks + "it says what members say");
  CHECK(sent_away([](Story& story) { story.says(1, Kind::taken, 0, 1 << 20); }) ==
        breaks + "it takes what was not said");
  CHECK(sent_away([](Story& story) { story.opens(1, 3, "store"); }) ==
        breaks + "it opens what cannot be opened");
  CHECK(sent_away([](Story& story) { story.says(1, Kind::update, 3, 1); }) ==
        breaks + "an update without a session");
  CHECK(sent_away([](Story& story) {
          story.desk.said(1, as_bytes(std::string(40, 'x')), at(1));
        }) == breaks + "what is no record");
  CHECK(sent_away([](Story& story) {
          for (TargetId target = 4; target < 4 + most_targets; ++target)
            story.opens(1, target, "store");
        }) == breaks + "it opens what cannot be opened");
  CHECK(sent_away([](Story& story) {
          for (int i = 0; i < 2000; ++i) story.says(1, Kind::read, 3, 1, 8);
        }) == breaks + "it asks for more before it is answered");
  CHECK(sent_away([](Story& story) {
          for (std::uint64_t i = 0; i < 20; ++i) story.says(1, Kind::session, 3, 0, i);
        }) == "it opens too many sessions");
}

TEST_CASE("who does not take its notices is sent away; others get theirs in order") {
  Story story;
  story.comes(1);
  story.comes(2);
  for (const fabric::LineId line : {1, 2}) {
    story.opens(line, 3, "store");
    story.says(line, Kind::listen, 3);
  }
  story.step(1);
  story.heard(1);
  story.heard(2);
  const std::string notice(10'000, 'n');
  int notices = 0;
  for (; notices < 1000 && story.desk.has(1); ++notices) {
    story.desk.notify(story.service, as_bytes(notice));
    story.step(2);
    story.takes(2);
  }
  CHECK(story.dismissed[1].what == "it does not take its notices");
  CHECK(story.desk.has(2));
  CHECK(notices > 100);
  story.step(3);
  CHECK(story.heard(2).size() == static_cast<std::size_t>(notices));
}

TEST_CASE("who does not take its replies is not answered, and costs no more than that") {
  Story story;
  story.comes(1);
  story.opens(1, 3, "store");
  story.step(1);
  story.service.reply = std::string(most_reply_bytes, 'r');
  for (int i = 0; i < 100; ++i) story.says(1, Kind::read, 3, 1, 8);
  for (int ms = 2; ms < 20; ++ms) story.step(ms);
  CHECK(story.service.asked.size() <= 3);
  // Once it takes them, all come.
  for (int ms = 20; ms < 400; ++ms) {
    story.takes(1);
    story.step(ms);
  }
  CHECK(story.service.asked.size() == 100);
}

TEST_CASE("whoever closes answers first what is under way, and begins nothing") {
  Story story;
  story.comes(1);
  story.opens(1, 3, "store");
  story.comes(2);
  story.updates(1, 3, 1);
  story.step(1);
  story.heard(1);
  story.desk.close(Error{Code::would_block, "it is leaving", ""}, true);
  story.updates(1, 3, 2);
  story.step(2);
  CHECK(story.dismissed.contains(2));
  CHECK_FALSE(story.dismissed.contains(1));
  CHECK(story.service.asked == std::vector<std::string>{"update 1 of 5"});
  story.desk.answer(1, {Answer::Kind::value, Effect::yes, 9, as_bytes("five")});
  REQUIRE(story.desk.due());
  story.step(3);
  CHECK(story.kinds(1) == Kinds{Kind::updated});
  REQUIRE(story.desk.due());
  story.step(4);
  CHECK(story.dismissed[1].what == "it is leaving");
  CHECK(story.service.asked.size() == 1);
}

TEST_CASE("there are not more clients than that, silent ones go, and all when it closes") {
  Story story;
  for (fabric::LineId line = 1; line <= Desk::most_clients; ++line) story.comes(line);
  CHECK(story.dismissed.empty());
  story.comes(1000);
  CHECK(story.dismissed.at(1000).code == Code::would_block);
  story.now = at(20'000);
  story.says(1, Kind::ping);
  story.step(30'000);
  CHECK(story.dismissed.size() == Desk::most_clients);
  CHECK(story.desk.has(1));
  story.desk.close(Error{Code::would_block, "it is leaving", ""});
  story.step(30'001);
  CHECK(story.dismissed[1].what == "it is leaving");
  story.comes(2000);
  CHECK(story.dismissed[2000].what == "it is leaving");
  story.desk.close(std::nullopt);
  story.comes(2001);
  CHECK(story.desk.has(2001));
}

}  // namespace
}  // namespace squall::clients
