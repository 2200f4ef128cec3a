// Groups of processes in which everyone sends: everything arrives at everyone, whole, once, and in
// the order that the stack promises.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "groups/node.h"
#include "test/groups/member.h"
#include "test/groups/process.h"

namespace squall::group_tests {
namespace {

// Where it is slow, half of the kinds of groups are enough.
const bool few = sanitized || fabric_name == "verbs" || fabric_name.starts_with("ofi:");
/// What a member sends: more laps of a ring that is small.
std::size_t volume(std::size_t ring_bytes) {
  return ring_bytes * (sanitized || ring_bytes == GroupConfig{}.ring_bytes ? 2 : 4);
}

/// From nothing to the largest, most of them small.
std::size_t pick_size(std::mt19937_64& random, std::size_t largest) {
  const auto up_to = [&](std::size_t most) { return random() % (most + 1); };
  switch (random() % 64) {
    case 0:
      return largest;
    case 1:
      return up_to(largest);
    case 2:
    case 3:
    case 4:
    case 5:
      return 0;
    case 6:
    case 7:
    case 8:
    case 9:
    case 10:
    case 11:
      return up_to(std::min<std::size_t>(largest, 4096));
    default:
      return up_to(200);
  }
}

/// Through both ways of sending.
void send_one(Node& node, Group& group, Recorder& recorder, std::size_t bytes, bool in_place) {
  const MessageNumber number = recorder.sent();
  const auto message = payload(node.rank(), number, bytes);
  recorder.sending(message);
  if (!in_place) {
    const auto sent = group.send(message);
    return expect(sent.has_value(), sent ? "" : sent.error().text());
  }
  const Time limit = Monotonic::now() + patience;
  while (true) {
    const auto space = group.reserve(bytes);
    if (space) {
      fill_payload(node.rank(), number, space->bytes);
      return group.commit(*space);
    }
    expect(space.error().code == Code::would_block, space.error().text());
    expect(Monotonic::now() < limit, "the ring stays full");
    if (!node.poll()) node.idle(Monotonic::now() + std::chrono::milliseconds(1));
  }
}

void send_and_record(Line& line, const Config& config) {
  const auto node = started(config);
  Group& group = *node->group("test");
  Recorder recorder(*node, group);
  std::mt19937_64 random(node->rank());
  const std::size_t goal = volume(config.groups[0].ring_bytes);
  for (std::size_t sent = 0; sent < goal;) {
    const std::size_t bytes = pick_size(random, group.max_message_bytes());
    send_one(*node, group, recorder, bytes, random() % 3 == 0);
    sent += bytes + 16;
  }
  const auto left = node->shutdown(Monotonic::now() + patience);
  expect(left.has_value(), left ? "" : left.error().text());
  line.say(recorder.trace());
}

struct Case {
  std::size_t members;
  std::string stack;
  std::size_t ring_bytes;
  bool engine_thread;
};

void run(const Case& group) {
  CAPTURE(group.members);
  CAPTURE(group.stack);
  CAPTURE(group.ring_bytes);
  CAPTURE(group.engine_thread);
  Seats seats(group.members, fabric_name);
  seats.each([&](Config& config) {
    config.groups[0].stack = group.stack;
    config.groups[0].ring_bytes = group.ring_bytes;
    config.engine_thread = group.engine_thread;
  });
  auto members = start_members(seats, send_and_record);
  std::vector<std::string> traces;
  for (auto& member : members) traces.push_back(member->hear());
  for (auto& member : members) member->expect_end();
  check_traces(traces, group.stack);
}

void run_all_stacks(std::size_t members) {
  constexpr std::size_t small = std::size_t{64} << 10;
  const std::size_t usual = GroupConfig{}.ring_bytes;
  for (const char* stack : {"total | stable", "fifo", "fifo | stable"}) {
    run({members, stack, small, false});
    run({members, stack, usual, true});
    if (few) continue;
    run({members, stack, small, true});
    run({members, stack, usual, false});
  }
}

TEST_CASE("three members, with every module that there is") {
  constexpr std::size_t small = std::size_t{64} << 10;
  for (const char* stack :
       {"causal | stable", "total | checked | stable | compress(lz4) | batch(4 KiB, 100 us)",
        "causal | checked | compress(lz4)", "fifo | batch(16 KiB, 1 ms)"}) {
    run({3, stack, small, true});
    if (!few) run({3, stack, GroupConfig{}.ring_bytes, false});
  }
}

TEST_CASE("two members, both send: all of it, once, in order") {
  run_all_stacks(2);
}

TEST_CASE("three members, all send: all of it, once, in order") {
  run_all_stacks(3);
}

TEST_CASE("four members, all send: all of it, once, in order") {
  run_all_stacks(4);
}

}  // namespace
}  // namespace squall::group_tests
