#include "core/membership/trim.h"

#include <doctest/doctest.h>

namespace squall::membership {
namespace {

TEST_CASE("the trim is the least that any survivor froze, for each channel and sender") {
  const auto trim = trim_of({{0, {{{5, 1}, {9}}}}, {2, {{{4, 3}, {9}}}}, {3, {{{6, 2}, {8}}}}});
  REQUIRE(trim);
  CHECK(*trim == Rounds{{4, 1}, {8}});
}

TEST_CASE("a lone survivor delivers all that it froze") {
  CHECK(trim_of({{1, {{{5, 0}}}}}).value() == Rounds{{5, 0}});
  CHECK(trim_of({{1, {}}}).value().empty());
}

TEST_CASE("of a channel, those count that are in it") {
  const auto trim = trim_of({{0, {{{}, {7}}}}, {1, {{{5, 1}, {9}}}}, {2, {{{4, 3}, {}}}}});
  REQUIRE(trim);
  CHECK(*trim == Rounds{{4, 1}, {7}});
  CHECK(trim_of({{0, {{{}}}}, {1, {{{}}}}}).value() == Rounds{{}});
}

TEST_CASE("survivors that speak of other channels or senders are an error, and so is nobody") {
  CHECK_FALSE(trim_of({{0, {{{5, 1}}}}, {1, {{{5}}}}}));
  CHECK_FALSE(trim_of({{0, {{{5}, {1}}}}, {1, {{{5}}}}}));
  CHECK_FALSE(trim_of({{0, {{{5}}}}, {1, {{{5}, {}}}}}));
  CHECK_FALSE(trim_of({{0, {{{}}}}, {1, {{{5}}}}, {2, {{{5, 1}}}}}));
  CHECK_FALSE(trim_of({}));
}

TEST_CASE("the deliberate mistake trims by the maximum") {
  CHECK(trim_of({{0, {{{5, 1}}}}, {1, {{{4, 3}}}}}, Bug::trim_by_maximum).value() ==
        Rounds{{5, 3}});
}

}  // namespace
}  // namespace squall::membership
