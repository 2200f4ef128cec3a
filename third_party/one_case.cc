// What filter_cases runs.
#include <doctest/doctest.h>

namespace {

TEST_CASE("one case") {
  CHECK(true);
}

}  // namespace
