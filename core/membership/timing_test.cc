#include "core/membership/timing.h"

#include <doctest/doctest.h>

namespace squall::membership {
namespace {

TEST_CASE("the presets are right, and fast is the default") {
  CHECK(check(fast).has_value());
  CHECK(check(safe).has_value());
  CHECK(Timing{} == fast);
  CHECK(fast.timeout == 200ms);
  CHECK(safe.timeout == 2s);
  CHECK(safe.interval == 200ms);
  CHECK(preset("fast") == fast);
  CHECK(preset("safe") == safe);
  CHECK_FALSE(preset("slow"));
  CHECK_FALSE(preset(""));
}

TEST_CASE("the effective times are told in words, with what follows from them") {
  CHECK(fast.text() ==
        "heartbeats every 20 ms, suspected after 200 ms of silence, delivers nothing after 60 ms "
        "and stops after 600 ms without a majority");
}

TEST_CASE("three intervals are less than the timeout, to the nanosecond") {
  CHECK(check(Timing{100ns, 301ns}).has_value());
  const auto refused = check(Timing{100ms, 300ms});
  REQUIRE(!refused.has_value());
  CHECK(refused.error().text() ==
        "three intervals of 100 ms are not less than the timeout of 300 ms (a tenth of the timeout "
        "is right: 30 ms)");
}

TEST_CASE("impossible times are refused, and nothing overflows") {
  CHECK(!check(Timing{0ms, 200ms}).has_value());
  CHECK(!check(Timing{-1ms, 200ms}).has_value());
  CHECK(!check(Timing{20ms, 0ms}).has_value());
  CHECK(!check(Timing{20ms, -200ms}).has_value());
  CHECK(!check(Timing{1ns, 1ns}).has_value());
  CHECK(!check(Timing{Duration::max(), 200ms}).has_value());
  CHECK(!check(Timing{1ms, longest_timeout + 1ns}).has_value());
  CHECK(!check(Timing{Duration::min(), Duration::min()}).has_value());
  CHECK(check(Timing::with_timeout(longest_timeout)).has_value());
}

}  // namespace
}  // namespace squall::membership
