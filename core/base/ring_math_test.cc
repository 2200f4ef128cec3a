#include "core/base/ring_math.h"

#include <doctest/doctest.h>

#include <initializer_list>

namespace squall {
namespace {

TEST_CASE("powers of two are known, and 0 is none") {
  for (int bit = 0; bit < 64; ++bit) CHECK(is_power_of_two(std::uint64_t{1} << bit));
  for (const std::uint64_t value : {0ull, 3ull, 6ull, 4095ull, 4097ull, ~0ull})
    CHECK_FALSE(is_power_of_two(value));
}

TEST_CASE("rounding up gives the least multiple that is not below") {
  for (std::uint64_t value = 0; value < 100; ++value)
    for (const std::uint64_t alignment : {1u, 2u, 16u, 64u}) {
      const std::uint64_t rounded = round_up(value, alignment);
      CHECK(rounded >= value);
      CHECK(rounded - value < alignment);
      CHECK(rounded % alignment == 0);
    }
  // A 32-bit length from the wire does not wrap.
  CHECK(round_up(std::uint64_t{UINT32_MAX}, 16) == std::uint64_t{1} << 32);
}

TEST_CASE("positions fold into the ring at any lap, and the end is 1 to bytes() away") {
  const RingMath math(4096);
  CHECK(math.bytes() == 4096);
  for (const Position lap : {0ull, 4096ull, 1ull << 40, 1ull << 63}) {
    CHECK(math.offset(lap) == 0);
    CHECK(math.until_end(lap) == 4096);
    CHECK(math.offset(lap + 4095) == 4095);
    CHECK(math.until_end(lap + 4095) == 1);
  }
}

}  // namespace
}  // namespace squall
