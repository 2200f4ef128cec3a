// `squall bench rpc` with the real binary and short windows: every bar has a figure.

#include <doctest/doctest.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>

namespace squall::bench {
namespace {

TEST_CASE("calls are measured beside what they are made of") {
  FILE* pipe = popen("bench/squall bench rpc --seconds 0.3 2>&1", "r");
  REQUIRE(pipe != nullptr);
  std::string output;
  std::array<char, 4096> piece;
  while (const std::size_t got = fread(piece.data(), 1, piece.size(), pipe))
    output.append(piece.data(), got);
  const int status = pclose(pipe);
  REQUIRE_MESSAGE((WIFEXITED(status) && WEXITSTATUS(status) == 0), output);
  CHECK(std::ranges::count(output, '\n') == 9);
  for (const char* bar :
       {"update, 8 B", "read here", "read at another, shm", "read at another, tcp"})
    CHECK_MESSAGE(output.find(bar) != std::string::npos, output);
}

}  // namespace
}  // namespace squall::bench
