#include "core/base/random.h"

#include <doctest/doctest.h>

#include <array>

namespace squall {
namespace {

TEST_CASE("a seed gives the sequence of splitmix64, on every machine") {
  // The first outputs for seed 1234567 that the algorithm's description gives.
  Random random(1234567);
  CHECK(random.next() == 6457827717110365317ull);
  CHECK(random.next() == 3203168211198807973ull);
  CHECK(random.next() == 9817491932198370423ull);
}

TEST_CASE("the same seed gives the same draws, another seed others") {
  Random one(5), same(5), other(6);
  int equal = 0;
  for (int draw = 0; draw < 100; ++draw) {
    const auto value = one.below(1000);
    CHECK(value == same.below(1000));
    equal += value == other.below(1000);
  }
  CHECK(equal < 10);
}

TEST_CASE("below stays below, reaches every value and favours none") {
  Random random(7);
  std::array<int, 10> seen{};
  for (int draw = 0; draw < 10000; ++draw) ++seen.at(random.below(seen.size()));
  for (const int count : seen) {
    CHECK(count > 800);
    CHECK(count < 1200);
  }
  for (int draw = 0; draw < 100; ++draw) CHECK(random.below(1) == 0);
}

TEST_CASE("one_in is true about once in so many times, and always for 1") {
  Random random(8);
  int hits = 0;
  for (int draw = 0; draw < 10000; ++draw) hits += random.one_in(4);
  CHECK(hits > 2300);
  CHECK(hits < 2700);
  CHECK(random.one_in(1));
}

}  // namespace
}  // namespace squall
