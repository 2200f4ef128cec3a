#include "bench/launch/ran.h"

#include <sys/wait.h>

#include <array>
#include <cstdio>

namespace squall::bench {

Ran run_tool(const std::string& words) {
  constexpr int no_end = 128;
  Ran ran;
  FILE* const pipe = popen(("bench/squall " + words + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return {no_end, "the shell did not begin"};
  std::array<char, 4096> piece;
  while (const std::size_t got = fread(piece.data(), 1, piece.size(), pipe))
    ran.output.append(piece.data(), got);
  const int status = pclose(pipe);
  ran.status = WIFEXITED(status) ? WEXITSTATUS(status) : no_end;
  return ran;
}

}  // namespace squall::bench
