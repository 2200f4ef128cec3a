// More members than cores: slower, but no hang.
#include <doctest/doctest.h>
#include <sched.h>

#include <memory>
#include <string>
#include <vector>

#include "groups/node.h"
#include "test/groups/member.h"
#include "test/groups/process.h"

namespace squall::group_tests {
namespace {

constexpr int messages_each = sanitized ? 300 : 2000;

void send_in_a_crowd(Line& line, const Config& config) {
  const auto node = started(config);
  Group& group = *node->group("test");
  Recorder recorder(*node, group);
  for (int i = 0; i < messages_each; ++i) {
    const auto message = payload(node->rank(), recorder.sent(), 100);
    recorder.sending(message);
    const auto sent = group.send(message);
    expect(sent.has_value(), sent ? "" : sent.error().text());
  }
  const auto left = node->shutdown(Monotonic::now() + patience);
  expect(left.has_value(), left ? "" : left.error().text());
  line.say(recorder.trace());
}

/// As many members, on the first of this process's cores only or wherever they like.
void crowd(std::size_t count, const std::string& fabric, bool one_core, bool engine_thread) {
  CAPTURE(fabric);
  CAPTURE(engine_thread);
  Seats seats(count, fabric);
  seats.each([&](Config& config) {
    config.engine_thread = engine_thread;
    config.groups[0].ring_bytes = 65536;
  });
  auto members = start_members(seats, [&](Line& line, const Config& config) {
    cpu_set_t all, one;
    CPU_ZERO(&one);
    expect(sched_getaffinity(0, sizeof all, &all) == 0, "sched_getaffinity");
    for (std::size_t core = 0; core < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++core)
      if (CPU_ISSET(core, &all)) CPU_SET(core, &one);
    if (one_core) expect(sched_setaffinity(0, sizeof one, &one) == 0, "sched_setaffinity");
    send_in_a_crowd(line, config);
  });
  std::vector<std::string> traces;
  for (auto& member : members) traces.push_back(member->hear());
  for (auto& member : members) member->expect_end();
  check_traces(traces, "total | stable");
}

TEST_CASE("three members on one core do not hang") {
  for (const char* fabric : {"shm", "tcp"})
    for (const bool engine_thread : {false, true}) crowd(3, fabric, true, engine_thread);
}

TEST_CASE("six members on few cores do not hang") {
  for (const char* fabric : {"shm", "tcp"})
    for (const bool engine_thread : {false, true}) crowd(6, fabric, false, engine_thread);
}

}  // namespace
}  // namespace squall::group_tests
