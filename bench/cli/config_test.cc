// `squall config` as people use it: the real binary, with a file, variables and flags.
#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "bench/launch/tool.h"

namespace squall::cli {
namespace {

std::string in_scratch(const std::string& name) {
  const char* base = std::getenv("TEST_TMPDIR");
  return std::string(base != nullptr ? base : "/tmp") + "/" + name;
}

/// What it says, once it has ended with this status.
std::string said(const std::vector<std::string>& words, int status) {
  bench::Tool tool(words);
  const int ended = tool.wait();
  CHECK_MESSAGE(ended == status, tool.output());
  return tool.output();
}

bool holds(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("each value is printed with its place, and the output is a file that says the same") {
  const std::string file = in_scratch("squall.toml");
  std::ofstream(file) << "[node]\ncontacts = [\"a@h:1\", \"b@h:2\"]\n"
                         "[fabric]\nprovider = \"shm\"\n[group.Big-Ticks]\nstack = \"fifo\"\n";
  setenv("SQUALL_FABRIC_PROVIDER", "tcp", 1);
  setenv("SQUALL_GROUP_BIG_TICKS_RING_BYTES", "65536", 1);
  const std::string shown = said({"config", "--config", file, "--node-name", "b"}, 0);
  unsetenv("SQUALL_FABRIC_PROVIDER");
  unsetenv("SQUALL_GROUP_BIG_TICKS_RING_BYTES");
  CHECK_MESSAGE(holds(shown, "provider = \"tcp\"         # variable SQUALL_FABRIC_PROVIDER\n"),
                shown);
  CHECK_MESSAGE(holds(shown, "# flag --node-name\n"), shown);
  CHECK_MESSAGE(holds(shown, "# " + file + ":2\n"), shown);
  CHECK_MESSAGE(holds(shown, "[group.Big-Ticks]\n"), shown);
  CHECK_MESSAGE(holds(shown, "# variable SQUALL_GROUP_BIG_TICKS_RING_BYTES\n"), shown);

  const std::string again = in_scratch("again.toml");
  std::ofstream(again) << shown;
  const std::string twice = said({"config", "--config", again}, 0);
  // Without the comments, which now name the other file.
  const auto values = [](const std::string& text) {
    std::string out;
    std::size_t at = 0;
    for (auto end = text.find('\n'); end != text.npos; at = end + 1, end = text.find('\n', at)) {
      std::string line = text.substr(at, end - at);
      line.erase(line.rfind("  #") == line.npos ? line.size() : line.rfind("  #"));
      out += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
    }
    return out;
  };
  CHECK(values(twice) == values(shown));
}

TEST_CASE("the reference names every place of a key") {
  const std::string shown = said({"config", "--reference"}, 0);
  CHECK(holds(shown, "provider   --fabric-provider   SQUALL_FABRIC_PROVIDER"));
  CHECK(holds(shown, "default: \"total | stable\""));
}

TEST_CASE("what cannot be right ends with status 2 and its place") {
  CHECK(holds(said({"config", "--fabric-provider", "shn"}, 2),
              "squall: --fabric-provider: there is no fabric \"shn\" (did you mean shm?"));
  CHECK(holds(said({"config", "--config", in_scratch("none.toml")}, 2), "No such file"));
  setenv("SQUALL_FABRIC_PROVIDR", "tcp", 1);
  for (const char* command : {"config", "join", "create"})
    CHECK(
        holds(said({command}, 2), "squall: unknown variable SQUALL_FABRIC_PROVIDR (did you mean "));
  CHECK(holds(said({"replicate", "x", "--out", in_scratch("out")}, 2), "SQUALL_FABRIC_PROVIDER"));
  unsetenv("SQUALL_FABRIC_PROVIDR");
}

}  // namespace
}  // namespace squall::cli
