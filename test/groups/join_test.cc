// Members that come: into groups that one node created, that began together, that are busy, that
// are losing a member, or that are none yet.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <signal.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "groups/node.h"
#include "test/checker/checker.h"
#include "test/groups/member.h"
#include "test/groups/process.h"

namespace squall::group_tests {
namespace {

/// Waits for "go", starts, says "in VIEW SIZE" (or "not in WHY", and ends), sends steadily and says
/// "view ID SIZE came X gone Y" for every further view; "flowing SIZE" once it has delivered
/// something from everyone in the view; ends with "enough" (all shut down together; says its trace)
/// or "leave".
void play(Line& line, const Config& config) {
  expect(line.hear(longest_patience) == "go", "the test says when to begin");
  auto start = Node::start(config);
  if (!start) return line.say("not in " + start.error().text());
  Node* node = start->get();
  Group& group = *node->group("test");
  const auto seat = static_cast<Rank>(config.name[0] - 'a');
  std::vector<bool> heard(node->view()->size());
  Recorder recorder(
      *node, group,
      [&](const Delivery& message) {
        if (heard.empty()) return;
        heard[message.sender] = true;
        if (!std::ranges::all_of(heard, [](bool each) { return each; })) return;
        line.say(fmt::format("flowing {}", heard.size()));
        heard.clear();
      },
      [&](const ViewChange& change) {
        heard.assign(change.view->size(), false);
        line.say(fmt::format("view {} {} came {} gone {}", raw(change.view->id),
                             change.view->size(), fmt::join(change.came, ","),
                             fmt::join(change.gone, ",")));
      });
  line.say(fmt::format("in {} {}", raw(node->view()->id), node->view()->size()));
  constexpr Duration pace = std::chrono::milliseconds(sanitized ? 2 : 1);
  Time next_send = Monotonic::now(), next_word = next_send;
  const auto say_trace = [&](const Result<>& ended) {
    expect(ended.has_value(), ended ? "" : ended.error().text());
    line.say("trace " + recorder.trace());
  };
  for (;;) {
    const bool worked = node->poll();
    const Time now = Monotonic::now();
    if (now >= next_send) {
      const auto message = streamed(seat, recorder.sent());
      if (const auto space = group.reserve(message.size())) {
        recorder.sending(message);
        std::ranges::copy(message, space->bytes.begin());
        group.commit(*space);
      }
      next_send = now + pace;
    }
    const auto error = node->stopped();
    expect(!error, error ? config.name + " stopped: " + error->text() : "");
    if (config.engine_thread || now >= next_word) {
      next_word = now + std::chrono::milliseconds(5);
      const auto word = line.hear(config.engine_thread ? next_send - now : Duration::zero());
      if (word == "enough") return say_trace(node->shutdown(Monotonic::now() + patience));
      if (word == "leave") return say_trace(node->leave(Monotonic::now() + patience));
    }
    if (!worked) node->idle(std::min(next_send, next_word));
  }
}

/// Reads words until one begins like this.
std::string hear_until(Process& member, const std::string& begin) {
  for (int count = 0; count < 1000; ++count) {
    std::string word = member.hear();
    if (word.starts_with(begin)) return word;
    REQUIRE_MESSAGE(!word.starts_with("not in"), word);
  }
  FAIL("it never says ", begin);
  return {};
}

/// Seats a, b, c...: the first ones begin together (or the one creates the group), the others join,
/// and know only the first ones.
struct Cast {
  Cast(std::size_t starters, std::size_t joiners) : seats(starters + joiners, fabric_name) {
    seats.each([&](Config& config) { config.contacts.resize(starters); });
    for (std::size_t at = 0; at < seats.configs.size(); ++at)
      seats.configs[at].start = at >= starters  ? Start::join
                                : starters == 1 ? Start::create
                                                : Start::together;
  }
  Config& config(std::size_t at) { return seats.configs[at]; }
  void fork() { members = start_members(seats, play); }
  Process& operator[](std::size_t at) { return *members[at]; }
  void start(std::size_t first, std::size_t end) {
    for (std::size_t at = first; at < end; ++at) members[at]->say("go");
  }
  /// All who are in are in one view of this size, and everyone's messages arrive.
  void expect_flow(const std::vector<std::size_t>& who) {
    for (const std::size_t at : who)
      hear_until(*members[at], fmt::format("flowing {}", who.size()));
  }
  void kill(std::size_t at) {
    members[at]->signal(SIGKILL);
    members[at].reset();
    killed.push_back(static_cast<Rank>(config(at).name[0] - 'a'));
  }
  void leave(std::size_t at) {
    members[at]->say("leave");
    take_trace(at);
  }
  /// Whoever is still there ends together; then the checker judges.
  void end() {
    for (auto& member : members)
      if (member) member->say("enough");
    for (std::size_t at = 0; at < members.size(); ++at)
      if (members[at]) take_trace(at);
    check();
  }
  void take_trace(std::size_t at) {
    traces.push_back(hear_until(*members[at], "trace ").substr(6));
    members[at]->expect_end();
    members[at].reset();
  }
  void check() {
    checker::Checker all;
    for (checker::Event& event : events_of(traces, killed)) all.add(std::move(event));
    const auto violations = all.check(promised);
    CHECK_MESSAGE(violations.empty(), checker::report(violations, all.events(), 40));
  }

  checker::Guarantees promised{.total = true, .stable = true, .quiesced = true, .merged = true};
  Seats seats;
  std::vector<std::unique_ptr<Process>> members;
  std::vector<std::string> traces;
  std::vector<Rank> killed;  // by seat
};

TEST_CASE("a node creates a group, and others join it one after the other") {
  Cast cast(1, 2);
  cast.fork();
  cast.start(0, 1);
  CHECK(cast[0].hear() == "in 1 1");
  cast.start(1, 2);
  CHECK(hear_until(cast[0], "view") == "view 2 2 came b gone ");
  CHECK(hear_until(cast[1], "in") == "in 2 2");
  cast.start(2, 3);
  CHECK(hear_until(cast[2], "in") == "in 3 3");
  cast.expect_flow({0, 1, 2});
  cast.end();
}

TEST_CASE("a member joins a busy group that began together") {
  for (const bool threaded : {false, true}) {
    CAPTURE(threaded);
    Cast cast(3, 1);
    cast.config(3).engine_thread = threaded;
    cast.fork();
    cast.start(0, 3);
    cast.expect_flow({0, 1, 2});
    cast.start(3, 4);
    cast.expect_flow({0, 1, 2, 3});
    cast.end();
  }
}

TEST_CASE("fast_restart_same_identity: a member killed and started again at once comes back") {
  Cast cast(3, 1);
  cast.config(3).name = "c";
  cast.fork();
  cast.start(0, 3);
  cast.expect_flow({0, 1, 2});
  cast.kill(2);
  cast.start(3, 4);
  CHECK(hear_until(cast[0], "view").starts_with("view 2 2 came  gone c: "));
  CHECK(hear_until(cast[0], "view") == "view 3 3 came c gone ");
  CHECK(hear_until(cast[3], "in") == "in 3 3");
  cast.expect_flow({0, 1, 3});
  cast.end();
}

TEST_CASE(
    "fast_restart_same_identity: who is started again before its former run is missed waits") {
  Cast cast(3, 1);
  cast.config(3).name = "c";
  cast.fork();
  cast.start(0, 3);
  cast.expect_flow({0, 1, 2});
  cast[2].signal(SIGSTOP);  // which only silence tells
  cast.start(3, 4);
  CHECK(hear_until(cast[0], "view").starts_with("view 2 2 came  gone c: "));
  CHECK(hear_until(cast[0], "view") == "view 3 3 came c gone ");
  cast.expect_flow({0, 1, 3});
  cast.kill(2);
  cast.end();
}

TEST_CASE("herd_join: six join at once the group that one has created") {
  Cast cast(1, 6);
  cast.fork();
  cast.start(0, 7);
  cast.expect_flow({0, 1, 2, 3, 4, 5, 6});
  cast.end();
}

TEST_CASE("herd_join: of three that start at once with `auto` the first creates the only group") {
  Cast cast(3, 0);
  cast.seats.each([](Config& config) { config.start = Start::automatic; });
  cast.fork();
  cast.start(0, 3);
  CHECK(hear_until(cast[0], "in") == "in 1 1");
  cast.expect_flow({0, 1, 2});
  cast.end();
}

TEST_CASE("the first contact, killed and started again with `auto`, finds the group and joins it") {
  Cast cast(3, 1);
  cast.config(3).name = "a";
  cast.config(3).start = Start::automatic;
  cast.fork();
  cast.start(0, 3);
  cast.expect_flow({0, 1, 2});
  cast.kill(0);
  cast.start(3, 4);
  hear_until(cast[1], "view");
  cast.expect_flow({1, 2, 3});
  cast.end();
}

TEST_CASE("one joins while another is killed, the coordinator too") {
  for (const std::size_t victim : {0, 1, 2}) {
    CAPTURE(victim);
    Cast cast(3, 1);
    cast.fork();
    cast.start(0, 3);
    cast.expect_flow({0, 1, 2});
    cast.start(3, 4);
    cast.kill(victim);
    std::vector<std::size_t> survivors{0, 1, 2, 3};
    std::erase(survivors, victim);
    // Whether two or four were in the view between is a matter of moments.
    cast.expect_flow(survivors);
    cast.end();
  }
}

TEST_CASE("a joiner that dies as soon as it is in costs one view, and is let in no second time") {
  Cast cast(3, 1);
  cast.fork();
  cast.start(0, 3);
  cast.expect_flow({0, 1, 2});
  cast.start(3, 4);
  CHECK(hear_until(cast[0], "view") == "view 2 4 came d gone ");
  cast.kill(3);
  CHECK(hear_until(cast[0], "view").starts_with("view 3 3 came  gone d: "));
  cast.expect_flow({0, 1, 2});
  cast[0].say("enough");
  for (const std::size_t at : {1, 2}) cast[at].say("enough");
  std::string word;
  for (word = cast[0].hear(); !word.starts_with("trace "); word = cast[0].hear())
    CHECK_MESSAGE(!word.starts_with("view"), word);
  cast.traces.push_back(word.substr(6));
  cast[0].expect_end();
  cast.members[0].reset();
  for (const std::size_t at : {1, 2}) cast.take_trace(at);
  cast.check();
}

TEST_CASE("the creator of a group leaves it, and others join those who stayed") {
  Cast cast(1, 2);
  for (const std::size_t at : {1, 2})
    cast.config(at).contacts.push_back({"b", cast.seats.addresses[1]});
  cast.fork();
  cast.start(0, 2);
  cast.expect_flow({0, 1});
  cast.leave(0);
  CHECK(hear_until(cast[1], "view") == "view 3 1 came  gone a: on request");
  cast.start(2, 3);
  cast.expect_flow({1, 2});
  cast.end();
}

TEST_CASE("who has left comes back under its old name") {
  Cast cast(2, 1);
  cast.config(2).name = "b";
  cast.fork();
  cast.start(0, 2);
  cast.expect_flow({0, 1});
  cast.leave(1);
  CHECK(hear_until(cast[0], "view") == "view 2 1 came  gone b: on request");
  cast.start(2, 3);
  CHECK(hear_until(cast[0], "view") == "view 3 2 came b gone ");
  cast.expect_flow({0, 2});
  cast.end();
}

TEST_CASE("of two that join at once under one name one gets in, the other once that one is out") {
  Cast cast(1, 2);
  cast.config(2).name = "b";
  cast.promised.runs_in_turn = false;  // the earlier run may ask only when the later one is out
  cast.fork();
  cast.start(0, 3);
  CHECK(hear_until(cast[0], "view") == "view 2 2 came b gone ");
  std::size_t first = 1;
  std::optional<std::string> word;
  while (!(word = cast[first].hear_soon(std::chrono::milliseconds(10)))) first = 3 - first;
  const std::size_t in = word->starts_with("not in") ? 3 - first : first, other = 3 - in;
  cast.expect_flow({0, in});
  cast.kill(in);
  CHECK(hear_until(cast[0], "view").starts_with("view 3 1 came  gone b: "));
  if (in == first) word = cast[other].hear();
  if (word->starts_with("not in")) {
    // It is the earlier run, and the later one was faster.
    CHECK_MESSAGE(word->find("a later run of b is in the view already") != word->npos, *word);
    cast[other].expect_end();
    cast.members[other].reset();
    cast.expect_flow({0});
  } else {
    cast.expect_flow({0, other});
  }
  cast.end();
}

}  // namespace
}  // namespace squall::group_tests
