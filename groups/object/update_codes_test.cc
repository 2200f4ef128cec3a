// Codes of updates, and classes that have none.
#include "groups/object/update_codes.h"

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <unordered_map>

#include "core/base/random.h"

namespace squall::objects {
namespace {

TEST_CASE("a code leads back to its update, and depends on the version") {
  const std::array<std::uint64_t, 3> updates{7, UINT64_MAX, 1234567890123};
  const UpdateCodes codes(updates, 3);
  CHECK(codes.distinct());
  for (const std::uint64_t update : updates) CHECK(codes.update_of(codes.of(update)) == update);
  CHECK_FALSE(codes.update_of(codes.of(8)));
  CHECK_FALSE(codes.update_of(UpdateCodes(updates, 4).of(7)));
  CHECK(UpdateCodes({}, 3).distinct());
}

TEST_CASE("two updates of one code are noticed, and neither is taken for the other") {
  const UpdateCodes any({}, 1);
  Random random(1);
  std::unordered_map<std::uint32_t, std::uint64_t> seen;
  std::array<std::uint64_t, 2> same{};
  while (same[0] == same[1]) {  // some hundred thousand, as birthdays go
    const std::uint64_t update = random.next();
    const auto [at, fresh] = seen.emplace(any.of(update), update);
    if (!fresh) same = {at->second, update};
  }
  const UpdateCodes both(same, 1);
  CHECK_FALSE(both.distinct());
  CHECK_FALSE(both.update_of(both.of(same[0])));  // rather none than the wrong one
  CHECK(UpdateCodes(std::span(same).first(1), 1).distinct());
}

}  // namespace
}  // namespace squall::objects
