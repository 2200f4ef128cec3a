#include "groups/shard_of.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstddef>
#include <string>
#include <vector>

namespace squall {
namespace {

TEST_CASE("keys are spread evenly, and are where they were in every process") {
  constexpr std::size_t shards = 7, keys = 70'000;
  std::vector<std::size_t> counts(shards);
  for (std::size_t i = 0; i < keys; ++i) ++counts[shard_of(fmt::format("key {}", i), shards)];
  for (const std::size_t count : counts) {
    CHECK(count > keys / shards * 95 / 100);
    CHECK(count < keys / shards * 105 / 100);
  }
  // As computed once: members of different builds must agree.
  std::string known;
  for (const char* key : {"", "a", "b", "bolts", "nuts"})
    known += fmt::format("{} ", shard_of(key, 10));
  CHECK(known == "9 6 0 6 7 ");
  CHECK(shard_of("anything", 1) == 0);
}

TEST_CASE("one more shard takes its part of the keys, and no other key moves") {
  constexpr std::size_t keys = 20'000;
  for (const std::size_t shards : {1, 2, 9, 100}) {
    std::size_t moved = 0;
    for (std::size_t i = 0; i < keys; ++i) {
      const std::string key = std::to_string(i);
      const std::size_t before = shard_of(key, shards), after = shard_of(key, shards + 1);
      if (before == after) continue;
      ++moved;
      CHECK(after == shards);
    }
    const double share = static_cast<double>(moved) / keys, fair = 1.0 / (shards + 1.0);
    CHECK(share > 0.8 * fair);
    CHECK(share < 1.2 * fair);
  }
}

}  // namespace
}  // namespace squall
