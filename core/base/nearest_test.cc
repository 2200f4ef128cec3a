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

TEST_CASE("the nearest known name is found, the first of equals; of none there is none") {
  constexpr std::array<std::string_view, 4> known{"fifo", "stable", "total", "causal"};
  CHECK(nearest("totl", known) == "total");
  CHECK(nearest("stabel", known) == "stable");
  CHECK(nearest("zzzz", known) == "fifo");
  CHECK(nearest("anything", {}).empty());
}

TEST_CASE("of a word that is far longer than every name, only the beginning says which was meant") {
  constexpr std::array<std::string_view, 4> known{"fifo", "stable", "total", "causal"};
  const std::string far(std::size_t{1} << 20, 'f');
  CHECK(nearest("totl" + far + "stable", known) == "total");
  CHECK(nearest("stabel" + far + "total", known) == "stable");
}

}  // namespace
}  // namespace squall
