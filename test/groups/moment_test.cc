// What is excused: that others had the core; and what is not: that a process waited by itself.
#include "test/groups/moment.h"

#include <doctest/doctest.h>
#include <sched.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <initializer_list>

#include "core/base/time.h"
#include "test/groups/process.h"

namespace squall::group_tests {
namespace {

using namespace std::chrono_literals;

/// Computes for 300 ms by the clock.
void compute(Line& line) {
  line.say("ready");
  expect(line.hear(patience) == "go", "the test says when");
  for (const Time until = Monotonic::now() + 300ms; Monotonic::now() < until;) {
  }
  line.say("done");
  static_cast<void>(line.hear(patience));
}

void sleep(Line& line) {
  line.say("ready");
  expect(line.hear(patience) == "go", "the test says when");
  usleep(300'000);  // sleep-ok: what must not be excused
  line.say("done");
  static_cast<void>(line.hear(patience));
}

struct Spent {
  Duration took, kept;
};

Spent spent_by(std::initializer_list<Process*> processes) {
  for (Process* process : processes) process->expect_word("ready");
  const Time began = Monotonic::now();
  const Moment begin = Moment::now();
  for (Process* process : processes) process->say("go");
  for (Process* process : processes) process->expect_word("done");
  const Spent spent{Monotonic::now() - began, begin.kept()};
  for (Process* process : processes) process->say("end");
  return spent;
}

TEST_CASE("processes that share a core keep it from each other, and that is excused") {
  if (!std::filesystem::exists("/proc/self/schedstat")) {
    std::printf("SKIPPED: this kernel does not say how long processes wait for a core\n");
    return;
  }
  cpu_set_t all, one;
  REQUIRE(sched_getaffinity(0, sizeof all, &all) == 0);
  CPU_ZERO(&one);
  CPU_SET(static_cast<unsigned>(sched_getcpu()), &one);
  REQUIRE(sched_setaffinity(0, sizeof one, &one) == 0);
  Process first(compute), second(compute);  // on this core
  const Spent spent = spent_by({&first, &second});
  REQUIRE(sched_setaffinity(0, sizeof all, &all) == 0);
  // Each has half of its 300 ms.
  CHECK(spent.kept > 200ms);
}

TEST_CASE("a process that sleeps or is blocked has no excuse, nor has the clock alone") {
  Process process(sleep);
  // What wakes up may have to wait for a core, however long; its sleep is not part of that.
  const Spent spent = spent_by({&process});
  CHECK(spent.took - spent.kept > 250ms);
  CHECK(Moment(Monotonic::now()).kept() == 0ms);
}

}  // namespace
}  // namespace squall::group_tests
