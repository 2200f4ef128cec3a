// `squall bench rpc` with the real binary and short windows: every bar has a figure.

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "bench/launch/ran.h"

namespace squall::bench {
namespace {

TEST_CASE("calls are measured beside what they are made of") {
  // Beside a compiler, a member may wait for a core for longer than the usual timeout.
  const Ran ran = run_tool("bench rpc --seconds 0.1 --runs 1 --failure-timeout 5000");
  REQUIRE_MESSAGE(ran.status == 0, ran.output);
  CHECK(std::ranges::count(ran.output, '\n') == 9);
  for (const char* bar :
       {"update, 8 B", "read here", "read at another, shm", "read at another, tcp"})
    CHECK_MESSAGE(ran.output.find(bar) != std::string::npos, ran.output);
}

}  // namespace
}  // namespace squall::bench
