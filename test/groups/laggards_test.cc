// A node can be asked who holds back stability, and who holds back ring space.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <signal.h>

#include <string>
#include <vector>

#include "core/base/time.h"
#include "groups/node.h"
#include "test/groups/member.h"
#include "test/groups/process.h"

namespace squall::group_tests {
namespace {

/// Turns until `done`; throws if that never comes.
template <class Done>
void turn_until(Node& node, std::string_view what, Done done) {
  for (const Time limit = Monotonic::now() + patience; !done();) {
    expect(Monotonic::now() < limit, what);
    expect(!node.stopped(), "the node stopped");
    if (!node.poll()) node.idle(Monotonic::now() + std::chrono::milliseconds(1));
  }
}

bool only(const std::vector<Laggard>& laggards, std::string_view name) {
  return laggards.size() == 1 && laggards[0].name == name;
}

/// Turning all the while: a member that has started may still be needed by one that has not.
void hear_turning(Line& line, Node& node, std::string_view word) {
  turn_until(node, "the test says when", [&] { return line.hear(Duration::zero()) == word; });
}

/// Member a fills its ring until the test says that b is well again; it must be told who it was.
void ask(Line& line, const Config& config, bool stopped) {
  const auto node = started(config);
  Group& group = *node->group("test");
  std::size_t delivered = 0, sent = 0;
  group.on_deliver([&](const Delivery&) { ++delivered; });
  turn_until(*node, "all begin with everything", [&] { return group.laggards().empty(); });
  line.say("asking");
  hear_turning(line, *node, "fill");
  std::vector<Laggard> laggards;
  turn_until(*node, "b alone is named, with a full ring", [&] {
    while (group.try_send(payload(0, sent, 1000))) ++sent;
    laggards = group.laggards();
    // A stopped one has not even received. A slow application is behind with nothing but the ring,
    // and what is in it is stable.
    if (!only(laggards, "b")) return false;
    const bool full = laggards[0].unconsumed_bytes + 2000 > config.groups[0].ring_bytes;
    return stopped ? laggards[0].missing_rounds > 10 && delivered < sent
                   : laggards[0].missing_rounds == 0 && full && delivered == sent;
  });
  line.say(laggards[0].text());
  turn_until(*node, "nobody is named in the end",
             [&] { return group.laggards().empty() && delivered == sent; });
  line.say("nobody");
  hear_turning(line, *node, "end");
}

/// Turns; until it hears "listen" its application takes nothing.
void be_asked_about(Line& line, const Config& config, bool listens) {
  const auto node = started(config);
  Group& group = *node->group("test");
  if (listens) group.on_deliver([](const Delivery&) {});
  line.say("up");
  bool asked = false;
  for (bool end = false; !end;) {
    expect(!node->stopped(), "the node stopped");
    if (!node->poll()) node->idle(Monotonic::now() + std::chrono::milliseconds(1));
    const auto word = line.hear(Duration::zero());
    end = word == "end";
    if (word == "listen") group.on_deliver([](const Delivery&) {});
    asked = asked || word == "who";
    // Others may be a moment behind, too.
    if (!asked || !only(group.laggards(), "b")) continue;
    asked = false;
    line.say("b");
  }
}

template <class Hinder, class Help>
void hold_back(bool stopped, Hinder hinder, Help help) {
  Seats seats(3, fabric_name);
  seats.each([](Config& config) {
    config.groups[0].ring_bytes = 16384;
    config.groups[0].senders = {"a"};
    config.failure_timeout = patience;  // nobody is to be expelled
  });
  auto members = start_members(seats, [&](Line& line, const Config& config) {
    if (config.name == "a") return ask(line, config, stopped);
    be_asked_about(line, config, stopped || config.name == "c");
  });
  for (const std::size_t seat : {1, 2}) members[seat]->expect_word("up");
  members[0]->expect_word("asking");
  hinder(*members[1]);
  members[0]->say("fill");
  const std::string told = members[0]->hear();
  CHECK_MESSAGE(told.starts_with("b: "), told);
  members[2]->say("who");
  members[2]->expect_word("b");
  help(*members[1]);
  members[0]->expect_word("nobody");
  for (auto& member : members) member->say("end");
  for (auto& member : members) member->expect_end();
}

TEST_CASE("a member that is stopped is named: it holds back stability") {
  hold_back(
      true, [](Process& b) { b.signal(SIGSTOP); }, [](Process& b) { b.signal(SIGCONT); });
}

TEST_CASE("a member whose application takes nothing is named, by itself too: it holds back space") {
  hold_back(
      false, [](Process&) {},
      [](Process& b) {
        b.say("who");
        b.expect_word("b");
        b.say("listen");
      });
}

TEST_CASE("a node with an engine thread answers any thread") {
  Seats seats(2, fabric_name);
  seats.each([](Config& config) {
    config.engine_thread = true;
    config.groups[0].senders = {"a"};
  });
  auto members = start_members(seats, [](Line& line, const Config& config) {
    const auto node = started(config);
    Group& group = *node->group("test");
    if (config.name == "a") {
      group.on_deliver([](const Delivery&) {});
      expect(group.send(payload(0, 0, 100)).has_value(), "it is sent");
      const Time limit = Monotonic::now() + patience;
      while (!only(group.laggards(), "b")) expect(Monotonic::now() < limit, "b is not named");
    }
    line.say("ready");
    line.hear(patience);
  });
  // Nobody ends before the other has started.
  for (auto& member : members) member->expect_word("ready");
  for (auto& member : members) member->say("end");
  for (auto& member : members) member->expect_end();
}

}  // namespace
}  // namespace squall::group_tests
