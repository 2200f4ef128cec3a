// Members that die, stop, stall or leave without a word, in groups of processes.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "groups/node.h"
#include "test/groups/member.h"
#include "test/groups/moment.h"
#include "test/groups/process.h"
#include "test/groups/stream.h"

namespace squall::group_tests {
namespace {

Time soon() {
  return Monotonic::now() + patience;
}

/// The survivors know in time who is gone.
void expect_stop(Process& survivor, const Moment& since, std::string_view victim) {
  expect_stopped(survivor, since + notice, fmt::format("member {} was lost", victim));
}

/// `victim` of a fixed group of three goes by `leave`; the others stop with an error that names it.
template <class Leave>
void one_goes(std::size_t victim, Leave leave) {
  Seats seats(3, fabric_name);
  seats.each([](Config& config) { config.survive_losses = false; });
  auto members = start_members(seats, stream);
  for (auto& member : members) member->expect_word("flowing");
  const Moment since = Moment::now();
  leave(*members[victim]);
  for (std::size_t seat = 0; seat < members.size(); ++seat)
    if (seat != victim) expect_stop(*members[seat], since, seats.configs[victim].name);
  for (std::size_t seat = 0; seat < members.size(); ++seat) {
    if (seat == victim) continue;
    members[seat]->say("end");
    members[seat]->expect_end();
  }
}

/// The same in a group that survives it: the others go on, and deliver the same. Each says on what
/// evidence: its own, or that of an earlier one who was quicker, but not all that of others.
template <class Leave>
void one_goes_the_others_go_on(Rank victim, Leave leave) {
  CAPTURE(victim);
  Seats seats(3, fabric_name);
  auto members = start_members(seats, stream);
  for (auto& member : members) member->expect_word("flowing");
  const Moment since = Moment::now();
  leave(*members[victim]);
  std::vector<Process*> survivors;
  for (Rank seat = 0; seat < members.size(); ++seat)
    if (seat != victim) survivors.push_back(members[seat].get());
  const std::string& name = seats.configs[victim].name;
  int saw = 0;
  for (Process* survivor : survivors) {
    const Word view = expect_view(*survivor, since + notice, {name});
    const bool own = view.text.starts_with(name + ": link lost: ");
    saw += own ? 1 : 0;
    // The decision itself may be the first word of it.
    CHECK_MESSAGE((own || view.text.starts_with(name + ": accused by ") ||
                   view.text == name + ": lost by the others"),
                  view.text);
  }
  CHECK(saw > 0);
  check_traces(finish(survivors), "total | stable", {.dead = {victim}});
}

TEST_CASE("a member is killed in mid-stream: the others go on in the next view, with the same") {
  for (Rank victim = 0; victim < 3; ++victim)
    one_goes_the_others_go_on(victim, [](Process& process) { process.signal(SIGKILL); });
}

TEST_CASE("a member gives up its node without a word: the others go on in the next view") {
  one_goes_the_others_go_on(1, [](Process& process) { process.say("drop"); });
}

TEST_CASE("a member leaves in mid-stream: nothing that it sent is missing, and nobody is lost") {
  for (Rank leaver = 0; leaver < 3; ++leaver) {
    CAPTURE(leaver);
    Seats seats(3, fabric_name);
    auto members = start_members(seats, stream);
    for (auto& member : members) member->expect_word("flowing");
    members[leaver]->say("leave");
    std::vector<std::string> traces(3);
    traces[leaver] = members[leaver]->hear();
    REQUIRE_MESSAGE(!traces[leaver].starts_with("stopped"), traces[leaver]);
    members[leaver]->expect_end();
    for (Rank seat = 0; seat < 3; ++seat) {
      if (seat == leaver) continue;
      const std::string word = members[seat]->hear();
      REQUIRE_MESSAGE(word.starts_with("view "), word);
      CHECK_MESSAGE(word.ends_with(seats.configs[leaver].name + ": on request"), word);
      members[seat]->say("enough");
    }
    for (Rank seat = 0; seat < 3; ++seat) {
      if (seat == leaver) continue;
      traces[seat] = members[seat]->hear();
      REQUIRE_MESSAGE(!traces[seat].starts_with("stopped"), traces[seat]);
      members[seat]->expect_end();
    }
    check_traces(traces, "total | stable", {.left = leaver});
  }
}

TEST_CASE("a fixed group: a member is killed in mid-stream, and the others stop and name it") {
  for (std::size_t victim = 0; victim < 3; ++victim)
    one_goes(victim, [](Process& process) { process.signal(SIGKILL); });
}

TEST_CASE("a fixed group: a member exits without a word, and the others stop and name it") {
  one_goes(1, [](Process& process) { process.say("exit"); });
}

TEST_CASE("a fixed group: a member gives up its node, and the others stop and name it") {
  one_goes(2, [](Process& process) { process.say("drop"); });
}

TEST_CASE("survivors that exit at once are not named instead of the one that died") {
  for (int round = 0; round < 5; ++round) {
    Seats seats(4, fabric_name);
    seats.each([](Config& config) { config.survive_losses = false; });
    auto members = start_members(seats, [](Line& line, const Config& config) {
      const auto node = started(config);
      node->group("test")->on_deliver([](const Delivery&) {});
      line.say("up");
      while (!node->stopped())
        if (!node->poll()) node->idle(never);
      line.say(stopped_word(*node->stopped()));
    });
    for (auto& member : members) member->expect_word("up");
    const Moment since = Moment::now();
    members[1]->signal(SIGKILL);
    for (const std::size_t seat : {0, 2, 3}) expect_stop(*members[seat], since, "b");
  }
}

TEST_CASE("what a member left behind is delivered before the other stops, however much it is") {
  // Only mapped memory holds what nobody has received yet.
  if (fabric_name != "shm") return;
  constexpr std::size_t count = 20'000;
  Seats seats(2, fabric_name);
  seats.each([](Config& config) {
    config.groups[0].stack = "fifo";
    config.survive_losses = false;
  });
  auto members = start_members(seats, [](Line& line, const Config& config) {
    const auto node = started(config);
    Group& group = *node->group("test");
    std::size_t delivered = 0;
    group.on_deliver([&](const Delivery&) { ++delivered; });
    line.say("up");
    // Turning: the other may still need it to start.
    while (!line.hear(Duration::zero())) node->poll();
    if (config.name == "a") {
      for (std::size_t i = 0; i < count; ++i)
        expect(group.try_send(payload(0, i, 8)).has_value(), "the ring holds them all");
      while (delivered < count) node->poll();
      line.say("sent");
    } else {
      line.say("turns no more");
    }
    expect(line.hear(patience) == "go on", "the test says when");
    while (!node->stopped())
      if (!node->poll()) node->idle(never);
    expect(delivered == count, fmt::format("{} delivered of all", delivered));
    line.say("all");
  });
  for (auto& member : members) member->expect_word("up");
  members[1]->say("rest");
  members[1]->expect_word("turns no more");
  members[0]->say("send");
  members[0]->expect_word("sent");
  members[0]->signal(SIGKILL);
  members[1]->say("go on");
  members[1]->expect_word("all");
}

TEST_CASE("a member is stopped for 300 ms and continued: nothing is lost, and nobody stops") {
  Seats seats(3, fabric_name);
  auto members = start_members(seats, stream);
  for (auto& member : members) member->expect_word("flowing");
  members[1]->signal(SIGSTOP);
  usleep(300'000);  // sleep-ok: the event itself, for this long it does not run
  members[1]->signal(SIGCONT);
  for (auto& member : members) member->say("enough");
  std::vector<std::string> traces;
  for (auto& member : members) {
    traces.push_back(member->hear());
    REQUIRE_MESSAGE(!traces.back().starts_with("stopped"), traces.back());
  }
  for (auto& member : members) member->expect_end();
  check_traces(traces, "total | stable");
}

TEST_CASE("a group without on_deliver at one member pushes back, and all arrives once it is set") {
  Seats seats(2, fabric_name);
  seats.each([](Config& config) {
    config.groups[0].ring_bytes = 4096;
    config.groups[0].senders = {"a"};
  });
  auto members = start_members(seats, [](Line& line, const Config& config) {
    const auto node = started(config);
    Group& group = *node->group("test");
    if (config.name == "b") {
      // Nothing is delivered here until the test says so; the node turns all the same.
      while (!line.hear(Duration::zero()))
        if (!node->poll()) node->idle(Monotonic::now() + std::chrono::milliseconds(1));
    }
    Recorder recorder(*node, group);
    if (config.name == "a") {
      // Full for long, not only for a moment.
      constexpr Duration full_for = std::chrono::milliseconds(200);
      Time last = Monotonic::now();
      while (Monotonic::now() - last < full_for) {
        const auto message = payload(0, recorder.sent(), 100);
        if (auto space = group.reserve(message.size())) {
          recorder.sending(message);
          std::ranges::copy(message, space->bytes.begin());
          group.commit(*space);
          last = Monotonic::now();
        } else {
          expect(space.error().code == Code::would_block, space.error().text());
        }
        if (!node->poll()) node->idle(Monotonic::now() + std::chrono::milliseconds(1));
      }
      expect(recorder.sent() <= 4096 / 100, "no more than the ring holds");
      for (const Time limit = soon(); recorder.delivered() != recorder.sent();) {
        expect(Monotonic::now() < limit, "the sender itself delivers");
        if (!node->poll()) node->idle(Monotonic::now() + std::chrono::milliseconds(1));
      }
      line.say("full");
      for (int i = 0; i < 100; ++i) {
        const auto message = payload(0, recorder.sent(), 100);
        recorder.sending(message);
        const auto sent = group.send(message);
        expect(sent.has_value(), sent ? "" : sent.error().text());
      }
    }
    const auto left = node->shutdown(soon());
    expect(left.has_value(), left ? "" : left.error().text());
    line.say(recorder.trace());
  });
  members[0]->expect_word("full");
  members[1]->say("deliver");
  std::vector<std::string> traces;
  for (auto& member : members) traces.push_back(member->hear());
  for (auto& member : members) member->expect_end();
  check_traces(traces, "total | stable");
}

TEST_CASE("slow_member: members of different speeds finish in good order, with everything") {
  Seats seats(3, fabric_name);
  seats.each([](Config& config) { config.groups[0].ring_bytes = 16384; });
  auto members = start_members(seats, [](Line& line, const Config& config) {
    const auto node = started(config);
    Group& group = *node->group("test");
    Recorder recorder(*node, group);
    if (config.name == "b")
      recorder.also([](const Delivery&) {
        usleep(200);  // sleep-ok: a slow application
      });
    for (int i = 0; i < (sanitized ? 150 : 600); ++i) {
      const auto message = payload(node->rank(), recorder.sent(), 200);
      recorder.sending(message);
      const auto sent = group.send(message);
      expect(sent.has_value(), sent ? "" : sent.error().text());
    }
    const auto left = node->shutdown(soon());
    expect(left.has_value(), left ? "" : left.error().text());
    line.say(recorder.trace());
  });
  std::vector<std::string> traces;
  for (auto& member : members) traces.push_back(member->hear());
  for (auto& member : members) member->expect_end();
  check_traces(traces, "total | stable");
}

TEST_CASE("slow_member: short upcalls are no silence, however many are due at once") {
  // Those of b take twice the timeout together, and all are there before it looks.
  static constexpr std::size_t count = 4000;
  Seats seats(3, fabric_name);
  seats.each([](Config& config) {
    config.groups[0].senders = {"a"};
    config.failure_timeout = count * 1ms / 2;
  });
  auto members = start_members(seats, [](Line& line, const Config& config) {
    const auto node = started(config);
    Group& group = *node->group("test");
    std::size_t delivered = 0, in_view = 3;
    node->on_view([&](const ViewChange& change) { in_view = change.view->size(); });
    const auto listen = [&] {
      group.on_deliver([&](const Delivery&) {
        if (config.name == "b") usleep(1000);  // sleep-ok: a slow application
        ++delivered;
      });
    };
    if (config.name != "b") listen();
    if (config.name == "a")
      for (std::size_t i = 0; i < count; ++i)
        expect(group.try_send(payload(0, i, 100)).has_value(), "the ring holds them all");
    while (config.name == "a" && delivered < count)
      if (!node->poll()) node->idle(soon());
    line.say("ready");
    while (!line.hear(Duration::zero()))
      if (!node->poll()) node->idle(Monotonic::now() + std::chrono::milliseconds(1));
    if (config.name == "b") listen();
    const auto left = node->shutdown(soon());
    expect(left.has_value(), left ? "" : left.error().text());
    expect(delivered == count && in_view == 3, fmt::format("{} delivered", delivered));
    line.say("all");
  });
  for (const std::size_t seat : {0, 1, 2}) members[seat]->expect_word("ready");
  for (auto& member : members) member->say("go on");
  for (auto& member : members) member->expect_word("all");
  for (auto& member : members) member->expect_end();
}

TEST_CASE("a member that never comes is named by the others at the deadline") {
  Seats seats(3, fabric_name);
  seats.each([](Config& config) { config.start_timeout = std::chrono::milliseconds(500); });
  auto members = start_members(seats, [](Line& line, const Config& config) {
    if (config.name == "b") return;
    const Time before = Monotonic::now();
    const auto node = Node::start(config);
    expect(!node.has_value(), "it started without b");
    expect(Monotonic::now() - before < std::chrono::seconds(5), "it waited past the deadline");
    line.say(node.error().text());
  });
  for (const std::size_t seat : {0, 2}) {
    const std::string why = members[seat]->hear();
    // Whose deadline passes first is gone for the other, which says so too.
    CHECK_MESSAGE(why.find("did not come: ") != why.npos, why);
    CHECK_MESSAGE(why.find(" b (127.0.0.1:") != why.npos, why);
    CHECK_MESSAGE(why.find("start_timeout_ms") != why.npos, why);
  }
}

}  // namespace
}  // namespace squall::group_tests
