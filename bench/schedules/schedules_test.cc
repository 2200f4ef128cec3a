// `squall bench schedules` as people use it: the real binary.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "bench/launch/tool.h"

namespace squall::bench {
namespace {

std::string in_scratch(const std::string& name) {
  const char* base = std::getenv("TEST_TMPDIR");
  return std::string(base != nullptr ? base : "/tmp") + "/" + name;
}

/// What it says, once it has ended with this status.
std::string said(std::vector<std::string> words, int status) {
  words.insert(words.begin(), {"bench", "schedules"});
  Tool tool(words);
  const int ended = tool.wait();
  CHECK_MESSAGE(ended == status, tool.output());
  return tool.output();
}

bool holds(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("a table and a plot, each number of members once and in order") {
  const std::string text = said({"--members", "8,2,8"}, 0);
  CHECK_MESSAGE(holds(text, "256 MB in blocks of 1 MiB"), text);
  CHECK_MESSAGE(holds(text, "\n      2             20.48"), text);
  CHECK_MESSAGE(holds(text, "\n      8            143.3"), text);
  CHECK_MESSAGE(holds(text, "members:  s sequential  c chain"), text);
}

TEST_CASE("JSON is one line for each schedule and number of members, and nothing else") {
  const std::string text = said({"--members", "2,4", "--json"}, 0);
  CHECK(std::ranges::count(text, '\n') == 8);
  CHECK(text.starts_with("{\"case\":\"schedules\",\"schedule\":\"sequential\",\"members\":2,"));
}

TEST_CASE("the plot goes to a file when one is named") {
  const std::string file = in_scratch("plot.svg");
  const std::string text = said({"--members", "2,4", "--svg", file}, 0);
  CHECK(holds(text, "plot in " + file));
  CHECK_FALSE(holds(text, "* several"));
  std::ifstream stream(file);
  const std::string svg{std::istreambuf_iterator<char>(stream), {}};
  CHECK(svg.starts_with("<svg"));
  CHECK(svg.ends_with("</svg>\n"));
}

TEST_CASE("what cannot be ends with status 2, and says what to do") {
  CHECK(holds(said({"--members", "0"}, 2), "members"));
  CHECK(holds(said({"--block", "0"}, 2), "block"));
  CHECK(holds(said({"--size", "17179869184", "--block", "1"}, 2), "take a larger --block"));
  CHECK(holds(said({"--size", "17179869184", "--block", "64"}, 2), "take a larger --block"));
  CHECK(holds(said({"--latency", "nan"}, 2), "'nan' is no number from 0 to"));
  const std::string nowhere = in_scratch("no/such/folder/plot.svg");
  CHECK(holds(said({"--members", "2", "--svg", nowhere}, 2), "cannot write " + nowhere));
  CHECK(holds(said({"--members", "2", "--svg", "/dev/full"}, 2), "No space left"));
}

}  // namespace
}  // namespace squall::bench
