// Mistakes that systems of this kind really made, each with its name in PROPERTIES.md, where real
// processes are needed to make them. Others are with the code that could make them.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.h"
#include "groups/node.h"
#include "test/groups/member.h"
#include "test/groups/moment.h"
#include "test/groups/process.h"
#include "test/groups/stream.h"

namespace squall::group_tests {
namespace {

/// Silence counts from a heartbeat before the stop; a busy machine has `notice` beyond it.
const Duration timeout = std::chrono::seconds(emulated() ? 6 : sanitized ? 5 : 2);

std::vector<std::unique_ptr<Process>> flowing(Seats& seats, const Play& play) {
  seats.each([](Config& config) { config.failure_timeout = timeout; });
  auto members = start_members(seats, play);
  for (auto& member : members) member->expect_word("flowing");
  return members;
}

/// How many messages it has delivered.
std::uint64_t count(Process& member) {
  member.say("count");
  return std::stoull(member.hear());
}

TEST_CASE("stop_then_continue: who was stopped until it was expelled sends and delivers no more") {
  for (const Rank victim : {0, 2}) {
    CAPTURE(victim);
    Seats seats(3, fabric_name);
    auto members = flowing(seats, stream);
    const Moment stopped_at = Moment::now();
    members[victim]->signal(SIGSTOP);
    std::vector<Process*> survivors;
    for (Rank seat = 0; seat < 3; ++seat)
      if (seat != victim) survivors.push_back(members[seat].get());
    bool missed = false;  // by one of them at least: another may hear of it before it sees it
    for (Process* survivor : survivors) {
      const Word view =
          expect_view(*survivor, stopped_at + timeout + notice, {seats.configs[victim].name});
      const auto says = [&](std::string_view what) {
        return view.text.find(what) != view.text.npos;
      };
      missed = missed || says("silent for ");
      CHECK_MESSAGE((says("silent for ") || says("accused by ") || says("lost by the others")),
                    view.text);
    }
    CHECK(missed);
    const Moment continued_at = Moment::now();
    members[victim]->signal(SIGCONT);
    expect_stopped(*members[victim], continued_at + timeout + notice,
                   "the others have gone on without this member");
    // What was deliverable when it was stopped may be delivered when it goes on, but nothing new.
    auto traces = finish(survivors);
    traces.push_back(last_trace(*members[victim], continued_at + timeout / 2));
    check_traces(traces, "total | stable", {.stopped = {2}});
  }
}

TEST_CASE("stop_then_continue: in the middle of a delivery, whose bytes stay as they were") {
  // Where members map each other's memory, who is stopped has fenced nothing, and still sees the
  // sender's own.
  for (const Rank victim : {0, 2}) {
    CAPTURE(victim);
    Seats seats(3, fabric_name);
    seats.each([](Config& config) {
      config.failure_timeout = timeout;
      config.groups[0].ring_bytes = std::size_t{64} << 10;
    });
    const std::string& name = seats.configs[victim].name;
    auto members = start_members(seats, [&](Line& line, const Config& config) {
      (config.name == name ? flood_and_dwell : flood)(line, config);
    });
    for (auto& member : members) member->expect_word("flowing");
    members[victim]->expect_word("inside");
    const Moment stopped_at = Moment::now();
    members[victim]->signal(SIGSTOP);
    std::vector<Process*> survivors;
    for (Rank seat = 0; seat < 3; ++seat)
      if (seat != victim) survivors.push_back(members[seat].get());
    for (Process* survivor : survivors)
      expect_view(*survivor, stopped_at + timeout + notice, {name});
    // Seven messages are a lap of a ring, and two members send.
    constexpr std::uint64_t laps = 20;
    for (Process* survivor : survivors) {
      const std::uint64_t before = count(*survivor);
      while (count(*survivor) < before + laps * 7 * 2) {
      }
    }
    members[victim]->signal(SIGCONT);
    const Moment continued_at = Moment::now();
    members[victim]->say("go on");
    members[victim]->expect_word("same");
    expect_stopped(*members[victim], continued_at + timeout + notice,
                   "the others have gone on without this member");
    auto traces = finish(survivors);
    // What it could deliver when it was stopped it has delivered as it was sent.
    traces.push_back(last_trace(*members[victim], continued_at + timeout / 2));
    check_traces(traces, "total | stable", {.stopped = {2}, .message = flooded});
  }
}

TEST_CASE("write_to_a_dead_peer_blocks: a view comes in time, however much is on its way to it") {
  Seats seats(3, fabric_name);
  // More than a socket's buffers hold.
  seats.each([](Config& config) { config.groups[0].ring_bytes = std::size_t{16} << 20; });
  auto members = flowing(seats, flood);
  const Moment stopped_at = Moment::now();
  members[1]->signal(SIGSTOP);
  std::vector<Process*> survivors{members[0].get(), members[2].get()};
  for (Process* survivor : survivors) expect_view(*survivor, stopped_at + timeout + notice, {"b"});
  check_traces(finish(survivors), "total | stable", {.dead = {1}, .message = flooded});
}

TEST_CASE("no_majority: one of three that is left alone delivers nothing, and stops in time") {
  for (const int signal : {SIGKILL, SIGSTOP}) {
    CAPTURE(signal);
    Seats seats(3, fabric_name);
    auto members = flowing(seats, stream);
    // A majority of the view is gone at once, however long this test is kept from running between
    // the signals: no vote for a next view can succeed.
    members[1]->signal(SIGSTOP);
    members[0]->signal(signal);
    members[2]->signal(signal);
    const Moment since = Moment::now();
    members[1]->signal(SIGCONT);
    const Word stop = expect_stopped(*members[1], since + 3 * timeout + notice,
                                     "no majority of the view is left: member a was lost: ");
    CHECK_MESSAGE(stop.text.find("member c was lost: ") != stop.text.npos, stop.text);
    const std::string trace = last_trace(*members[1], since + timeout);
    check_traces({trace}, "total | stable", {.dead = {0, 2}, .stopped = {0}});
  }
}

TEST_CASE("slow_member: pauses shorter than half the timeout expel nobody, and lose nothing") {
  Seats seats(3, fabric_name);
  auto members = flowing(seats, flood);
  for (int pause = 0; pause < 6; ++pause) {
    Process& member = *members[static_cast<std::size_t>(pause) % 3];
    member.signal(SIGSTOP);
    usleep(static_cast<useconds_t>(timeout * 2 / 5 / 1us));  // sleep-ok: the pause itself
    member.signal(SIGCONT);
  }
  std::vector<Process*> all;
  for (auto& member : members) all.push_back(member.get());
  check_traces(finish(all), "total | stable");
}

}  // namespace
}  // namespace squall::group_tests
