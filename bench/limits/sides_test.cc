#include "bench/limits/sides.h"

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
      [&](Side& side) -> Result<double> {
        pids[0] = getpid();
        side.meet();
        side.meet();
        return 4.5;
      },
      [&](Side& side) -> Result<> {
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

TEST_CASE("several sides meet, each a process of its own") {
  auto block = SharedBlock::create(4096);
  REQUIRE(block);
  auto& met = *new (block->data()) std::atomic<int>(0);
  const Partner partner = [&](Side& side) -> Result<> {
    ++met;
    side.meet();
    side.meet();
    return {};
  };
  const auto value = run_sides(
      [&](Side& side) -> Result<double> {
        side.meet();
        const double seen = met;
        side.meet();
        return seen;
      },
      std::vector<Partner>(5, partner), 20s);
  REQUIRE_MESSAGE(value, value.error().text());
  CHECK(*value == 5);
}

TEST_CASE("more sides than there may be are an error") {
  const auto value =
      run_sides([](Side&) -> Result<double> { return 1.0; },
                std::vector<Partner>(most_partners + 1, [](Side&) -> Result<> { return {}; }), 20s);
  REQUIRE_FALSE(value);
  CHECK(value.error().code == Code::invalid);
}

TEST_CASE("an error of any partner is the result") {
  std::vector<Partner> partners(4, [](Side&) -> Result<> { return {}; });
  partners[2] = [](Side&) -> Result<> { return fail(Code::io, "three"); };
  const auto value = run_sides([](Side&) -> Result<double> { return 1.0; }, partners, 20s);
  REQUIRE_FALSE(value);
  CHECK(value.error().what == "three");
}

TEST_CASE("an error of either side is the result") {
  const auto first = run_pair([](Side&) -> Result<double> { return fail(Code::io, "one"); },
                              [](Side&) -> Result<> { return {}; }, 20s);
  REQUIRE_FALSE(first);
  CHECK(first.error().what == "one");
  const auto second = run_pair([](Side&) -> Result<double> { return 1.0; },
                               [](Side&) -> Result<> { return fail(Code::io, "two"); }, 20s);
  REQUIRE_FALSE(second);
  CHECK(second.error().what == "two");
}

TEST_CASE("a side that hangs is killed at the limit") {
  const auto value = run_pair(
      [](Side& side) -> Result<double> {
        for (;;) side.relax();
      },
      [](Side&) -> Result<> { return {}; }, 50ms);
  REQUIRE_FALSE(value);
  CHECK(value.error().code == Code::timeout);
}

TEST_CASE("nobody waits at a meeting for a side that has ended") {
  const auto value = run_pair(
      [](Side& side) -> Result<double> {
        side.meet();
        return 1.0;
      },
      [](Side&) -> Result<> { return {}; }, 20s);
  REQUIRE(value);
}

TEST_CASE("a side that dies is reported, not waited for") {
  const auto value = run_pair(
      [](Side&) -> Result<double> {
        raise(SIGKILL);
        return 1.0;
      },
      [](Side&) -> Result<> { return {}; }, 20s);
  REQUIRE_FALSE(value);
  CHECK(value.error().code == Code::lost);
}

}  // namespace
}  // namespace squall::bench
