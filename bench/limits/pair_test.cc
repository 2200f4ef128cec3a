#include "bench/limits/pair.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <csignal>

namespace squall::bench {
namespace {

TEST_CASE("the measuring side's figure comes back, and the sides are two processes") {
  auto block = SharedBlock::create(4096);
  REQUIRE(block);
  auto* pids = reinterpret_cast<std::atomic<pid_t>*>(block->data());
  const auto value = run_pair(
      [&](PairSide& side) -> Result<double> {
        pids[0] = getpid();
        side.meet();
        side.meet();
        return 4.5;
      },
      [&](PairSide& side) -> Result<> {
        side.meet();
        pids[1] = getpid();
        side.meet();
        while (!side.finished()) side.relax();
        return {};
      },
      20s);
  REQUIRE_MESSAGE(value, value.error().text());
  CHECK(*value == 4.5);
  CHECK(pids[0] != pids[1]);
  CHECK(pids[0] != getpid());
}

TEST_CASE("an error of either side is the result") {
  const auto first = run_pair([](PairSide&) -> Result<double> { return fail(Code::io, "one"); },
                              [](PairSide&) -> Result<> { return {}; }, 20s);
  REQUIRE_FALSE(first);
  CHECK(first.error().what == "one");
  const auto second = run_pair([](PairSide&) -> Result<double> { return 1.0; },
                               [](PairSide&) -> Result<> { return fail(Code::io, "two"); }, 20s);
  REQUIRE_FALSE(second);
  CHECK(second.error().what == "two");
}

TEST_CASE("a side that hangs is killed at the limit") {
  const auto value = run_pair(
      [](PairSide& side) -> Result<double> {
        for (;;) side.relax();
      },
      [](PairSide&) -> Result<> { return {}; }, 50ms);
  REQUIRE_FALSE(value);
  CHECK(value.error().code == Code::timeout);
}

TEST_CASE("nobody waits at a meeting for a side that has ended") {
  const auto value = run_pair(
      [](PairSide& side) -> Result<double> {
        side.meet();
        return 1.0;
      },
      [](PairSide&) -> Result<> { return {}; }, 20s);
  REQUIRE(value);
}

TEST_CASE("a side that dies is reported, not waited for") {
  const auto value = run_pair(
      [](PairSide&) -> Result<double> {
        raise(SIGKILL);
        return 1.0;
      },
      [](PairSide&) -> Result<> { return {}; }, 20s);
  REQUIRE_FALSE(value);
  CHECK(value.error().code == Code::lost);
}

}  // namespace
}  // namespace squall::bench
