#include "core/base/nearest.h"

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <string>

namespace squall {
namespace {

TEST_CASE("the distance counts insertions, deletions and replacements") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("abc", "") == 3);
  CHECK(edit_distance("same", "same") == 0);
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("ab", "ba") == 2);
}

TEST_CASE("the distance is the same both ways") {
  for (const auto left : {"ring", "bring", "ringer", "r", ""})
    for (const auto right : {"wring", "king", "g", "ringing"})
      CHECK(edit_distance(left, right) == edit_distance(right, left));
}

TEST_CASE("a slip of the hand is told from another word") {
  constexpr std::array<std::string_view, 5> known{"fifo", "stable", "total", "causal", "of"};
  CHECK(nearest("totl", known) == "total");
  CHECK(nearest("stabel", known) == "stable");
  CHECK(nearest("fifi", known) == "fifo");
  CHECK(nearest("zzzz", known).empty());
  CHECK(nearest("nope", known).empty());  // four letters of which one stays
  CHECK(nearest("xy", known).empty());    // nothing stays
  CHECK(nearest("", known).empty());
  CHECK(nearest("anything", {}).empty());
  CHECK(nearest("of", known) == "of");
}

TEST_CASE("of equals it is the first") {
  constexpr std::array<std::string_view, 3> known{"ring", "bring", "king"};
  CHECK(nearest("sring", known) == "ring");
}

TEST_CASE("in a long word more may be wrong, and a very long one is near nothing, at once") {
  constexpr std::array<std::string_view, 2> known{"failure_timeout", "name"};
  CHECK(nearest("failure_timeout_ms", known) == "failure_timeout");
  CHECK(nearest("failure_timeout_seconds", known).empty());
  CHECK(nearest(std::string(std::size_t{1} << 24, 'n'), known).empty());
}

}  // namespace
}  // namespace squall
