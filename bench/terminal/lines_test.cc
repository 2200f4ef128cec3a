#include "bench/terminal/lines.h"

#include <doctest/doctest.h>

namespace squall::terminal {
namespace {

std::string take(Lines& lines) {
  REQUIRE_FALSE(lines.empty());
  const std::string text = lines.front().text;
  lines.pop();
  return text;
}

TEST_CASE("lines come whole, however they were cut, and the last needs no end") {
  Lines lines(100);
  lines.read("one\ntw");
  CHECK(take(lines) == "one");
  CHECK(lines.empty());
  lines.read("o\n\nthree");
  CHECK(take(lines) == "two");
  CHECK(take(lines).empty());
  CHECK(lines.empty());
  lines.end();
  CHECK(take(lines) == "three");
  lines.end();
  CHECK(lines.empty());
}

TEST_CASE("a line that is too long keeps its place, and no memory") {
  Lines lines(4);
  lines.read("1234\n12");
  lines.read("345");
  lines.read("6\nnext\n");
  CHECK(take(lines) == "1234");
  CHECK(lines.front().too_long);
  CHECK(lines.front().bytes == 6);
  CHECK(take(lines).empty());
  CHECK_FALSE(lines.front().too_long);
  CHECK(take(lines) == "next");
}

}  // namespace
}  // namespace squall::terminal
