// Large objects in groups of processes, whose members die, stop or come while objects travel.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <signal.h>

#include <cstdint>
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

constexpr std::size_t block_bytes = 8192;
/// Where somebody is stopped.
constexpr Duration stop_timeout = std::chrono::seconds(sanitized ? 3 : 2);

struct LargeSeats : Seats {
  LargeSeats(std::size_t members, Schedule schedule) : Seats(members, fabric_name) {
    each([&](Config& config) {
      GroupConfig& group = config.groups[0];
      group.ring_bytes = mixed_ring_bytes;
      group.block_bytes = block_bytes;
      group.schedule = schedule;
      // Room for some objects, so that they push back, too.
      group.large_memory = std::size_t{1} << 20;
    });
  }
};

/// All of four members send objects by this schedule, so whoever is killed is the sender of some,
/// the first relay of others, and the last to get yet others.
void one_is_killed(Rank victim, Schedule schedule) {
  CAPTURE(victim);
  CAPTURE(static_cast<int>(schedule));
  LargeSeats seats(4, schedule);
  auto members = start_members(seats, stream_mixed);
  for (auto& member : members) member->expect_word("flowing");
  const Moment since = Moment::now();
  members[victim]->signal(SIGKILL);
  std::vector<Process*> survivors;
  for (Rank seat = 0; seat < members.size(); ++seat)
    if (seat != victim) survivors.push_back(members[seat].get());
  for (Process* survivor : survivors)
    expect_view(*survivor, since + notice, {seats.configs[victim].name});
  check_traces(finish(survivors), "total | stable", {.dead = {victim}, .message = mixed});
}

TEST_CASE(
    "senders, relays and receivers of objects are killed: the others have all of each or none") {
  one_is_killed(0, Schedule::chain);
  one_is_killed(1, Schedule::binomial_pipeline);
  one_is_killed(2, Schedule::chain);
  one_is_killed(3, Schedule::binomial_pipeline);
}

TEST_CASE(
    "a member is stopped until it is expelled: the others go on with its objects or without") {
  LargeSeats seats(3, Schedule::binomial_pipeline);
  seats.each([](Config& config) { config.failure_timeout = stop_timeout; });
  auto members = start_members(seats, stream_mixed);
  for (auto& member : members) member->expect_word("flowing");
  const Moment since = Moment::now();
  members[2]->signal(SIGSTOP);
  for (const std::size_t seat : {0, 1})
    expect_view(*members[seat], since + stop_timeout + 2 * notice, {"c"});
  members[2]->signal(SIGCONT);
  expect_stopped(*members[2], Moment::now() + stop_timeout + notice, "without this member");
  members[2]->say("trace");
  static_cast<void>(members[2]->hear());
  const std::string stopped = members[2]->hear();
  members[2]->say("end");
  members[2]->expect_end();
  auto traces = finish({members[0].get(), members[1].get()});
  traces.push_back(stopped);
  check_traces(traces, "total | stable", {.stopped = {2}, .message = mixed});
}

TEST_CASE("a member is stopped in the delivery of an object: its bytes stay as they were") {
  // Where members map each other's memory it reads the sender's own, and has fenced nothing.
  LargeSeats seats(3, Schedule::automatic);
  seats.each([](Config& config) { config.failure_timeout = stop_timeout; });
  auto members = start_members(seats, [](Line& line, const Config& config) {
    (config.name == "c" ? stream_mixed_and_dwell : stream_mixed)(line, config);
  });
  for (auto& member : members) member->expect_word("flowing");
  members[2]->expect_word("inside");
  const Moment stopped_at = Moment::now();
  members[2]->signal(SIGSTOP);
  std::vector<Process*> survivors{members[0].get(), members[1].get()};
  for (Process* survivor : survivors)
    expect_view(*survivor, stopped_at + stop_timeout + 2 * notice, {"c"});
  // A member has room for some ten objects, and every fourth message is one.
  const auto count = [](Process& member) {
    member.say("count");
    return std::stoull(member.hear());
  };
  for (Process* survivor : survivors) {
    const std::uint64_t before = count(*survivor);
    while (count(*survivor) < before + 4 * 2 * 40) {
    }
  }
  members[2]->signal(SIGCONT);
  members[2]->say("go on");
  members[2]->expect_word("same");
  expect_stopped(*members[2], Moment::now() + stop_timeout + notice, "without this member");
  members[2]->say("end");
  members[2]->expect_end();
  check_traces(finish(survivors), "total | stable", {.dead = {2}, .message = mixed});
}

TEST_CASE("objects of every schedule, from all members, while one of them leaves") {
  for (const Schedule schedule : {Schedule::automatic, Schedule::sequential, Schedule::chain,
                                  Schedule::binomial_tree, Schedule::binomial_pipeline}) {
    CAPTURE(static_cast<int>(schedule));
    LargeSeats seats(3, schedule);
    auto members = start_members(seats, stream_mixed);
    for (auto& member : members) member->expect_word("flowing");
    members[1]->say("leave");
    std::vector<std::string> traces(3);
    traces[1] = members[1]->hear();
    REQUIRE_MESSAGE(!traces[1].starts_with("stopped"), traces[1]);
    members[1]->expect_end();
    for (const std::size_t seat : {0, 2}) {
      expect_view(*members[seat], Moment::now() + notice, {"b"});
      members[seat]->say("enough");
    }
    for (const std::size_t seat : {0, 2}) {
      traces[seat] = members[seat]->hear();
      REQUIRE_MESSAGE(!traces[seat].starts_with("stopped"), traces[seat]);
      members[seat]->expect_end();
    }
    check_traces(traces, "total | stable", {.left = 1, .message = mixed});
  }
}

}  // namespace
}  // namespace squall::group_tests
