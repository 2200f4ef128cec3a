// Members that come: into groups that one node created, that began together, that are busy, that
// are losing a member, or that are none yet.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <signal.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "groups/node.h"
#include "test/checker/checker.h"
#include "test/groups/member.h"
#include "test/groups/process.h"

namespace squall::group_tests {
namespace {

constexpr const char* fabric_name = SQUALL_FABRIC;

/// Waits for "go" (a new run of it: "go INCARNATION"), starts, says "in VIEW SIZE", sends steadily
/// and says "view ID SIZE came X gone Y" for every further view; "flowing" once it has delivered
/// something from everyone in the view; ends with "enough" (all shut down together; says its trace)
/// or "leave".
void play(Line& line, const Config& config) {
  expect(line.hear(patience) == "go", "the test says when to begin");
  auto node = started(config);
  Group& group = *node->group("test");
  Recorder recorder(*node, group);
  const auto seat = static_cast<Rank>(config.name[0] - 'a');
  line.say(fmt::format("in {} {}", raw(node->view()->id), node->view()->size()));
  std::vector<bool> heard;
  const auto expect_all = [&](const View& view) { heard.assign(view.size(), false); };
  expect_all(*node->view());
  recorder.also_view([&](const ViewChange& change) {
    expect_all(*change.view);
    line.say(fmt::format("view {} {} came {} gone {}", raw(change.view->id), change.view->size(),
                         fmt::join(change.came, ","), fmt::join(change.gone, ",")));
  });
  recorder.also([&](const Delivery& message) {
    if (heard.empty()) return;
    heard[message.sender] = true;
    if (!std::ranges::all_of(heard, [](bool each) { return each; })) return;
    line.say(fmt::format("flowing {}", heard.size()));
    heard.clear();
  });
  constexpr Duration pace = std::chrono::microseconds(500);
  Time next_send = Monotonic::now(), next_word = next_send;
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
    if (now >= next_word) {
      next_word = now + std::chrono::milliseconds(5);
      const auto word = line.hear(Duration::zero());
      if (word == "enough") break;
      if (word == "leave") {
        const auto left = node->leave(Monotonic::now() + patience);
        expect(left.has_value(), left ? "" : left.error().text());
        line.say("trace " + recorder.trace());
        return;
      }
    }
    if (!worked) node->idle(std::min(next_send, next_word));
  }
  const auto left = node->shutdown(Monotonic::now() + patience);
  expect(left.has_value(), left ? "" : left.error().text());
  line.say("trace " + recorder.trace());
}

/// Reads words until one begins like this.
std::string hear_until(Process& member, const std::string& begin) {
  for (int count = 0; count < 1000; ++count) {
    std::string word = member.hear();
    if (word.starts_with(begin)) return word;
  }
  FAIL("it never says ", begin);
  return {};
}

/// Seats where `starters` begin together (or the one creates the group) and the others join.
struct Group {
  Group(std::size_t starters, std::size_t joiners) : seats(starters + joiners, fabric_name) {
    const auto everyone = seats.configs.front().contacts;
    for (std::size_t at = 0; at < seats.configs.size(); ++at) {
      Config& config = seats.configs[at];
      config.start = at >= starters ? Start::join : starters == 1 ? Start::create : Start::together;
      if (starters > 1 && at < starters)
        config.contacts.assign(everyone.begin(), everyone.begin() + starters);
    }
  }
  void fork() { members = start_members(seats, play); }
  Process& operator[](std::size_t at) { return *members[at]; }
  void start(std::size_t first, std::size_t end) {
    for (std::size_t at = first; at < end; ++at) members[at]->say("go");
  }
  /// The first so many are in one view, and everyone's messages arrive.
  void expect_flow(std::size_t size) {
    for (std::size_t at = 0; at < size; ++at)
      hear_until(*members[at], fmt::format("flowing {}", size));
  }
  void end() {
    for (auto& member : members)
      if (member) member->say("enough");
    for (auto& member : members) {
      if (!member) continue;
      traces.push_back(hear_until(*member, "trace ").substr(6));
      member->expect_end();
    }
    check();
  }
  void check() {
    checker::Checker all;
    for (const std::string& trace : traces) {
      auto events = checker::parse(trace);
      REQUIRE_MESSAGE(events, (events ? "" : events.error().text()));
      for (checker::Event& event : *events) all.add(std::move(event));
    }
    checker::Guarantees promised{.total = true, .stable = true};
    promised.quiesced = quiesced;
    promised.merged = true;
    const auto violations = all.check(promised);
    CHECK_MESSAGE(violations.empty(), checker::report(violations, all.events(), 40));
  }

  Seats seats;
  std::vector<std::unique_ptr<Process>> members;
  std::vector<std::string> traces;
  bool quiesced = true;
};

TEST_CASE("a node creates a group, and others join it one after the other") {
  Group group(1, 2);
  group.fork();
  group.start(0, 1);
  CHECK(group[0].hear() == "in 1 1");
  group.start(1, 2);
  CHECK(hear_until(group[0], "view") == "view 2 2 came b gone ");
  CHECK(hear_until(group[1], "in") == "in 2 2");
  group.start(2, 3);
  CHECK(hear_until(group[2], "in") == "in 3 3");
  group.expect_flow(3);
  group.end();
}

TEST_CASE("a member joins a busy group that began together") {
  Group group(3, 1);
  group.fork();
  group.start(0, 3);
  group.expect_flow(3);
  group.start(3, 4);
  group.expect_flow(4);
  group.end();
}

}  // namespace
}  // namespace squall::group_tests
