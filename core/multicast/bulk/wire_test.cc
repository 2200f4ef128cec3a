#include "core/multicast/bulk/wire.h"

#include <doctest/doctest.h>

#include <vector>

namespace squall::multicast::bulk {
namespace {

std::vector<Word> words() {
  Word offer{.kind = Word::Kind::offer, .origin = 3, .number = 9, .region = 77};
  offer.bytes = 5000;
  offer.region_bytes = 8192;
  offer.block_bytes = 4096;
  offer.schedule = Kind::binomial_pipeline;
  Word landed{.kind = Word::Kind::landed, .origin = 1, .number = 2};
  landed.block = 5;
  Word lasting = offer;
  lasting.stays = true;
  lasting.schedule = Kind::sequential;
  Word begins = lasting;
  begins.kind = Word::Kind::landed;
  begins.block = 1;
  return {offer,
          landed,
          lasting,
          begins,
          Word{.kind = Word::Kind::whole, .origin = 4, .number = 1},
          Word{.kind = Word::Kind::retired, .origin = 0, .number = 0, .region = 12},
          Word{.kind = Word::Kind::kept, .origin = 2, .number = 8, .region = 3}};
}

std::vector<std::byte> encoded(const Word& word) {
  const WireWord wire = encode(7, word);
  return {wire.begin() + 2, wire.end()};
}

TEST_CASE("a word is read as it was written") {
  for (const Word& word : words()) CHECK(decode(encoded(word)) == word);
}

TEST_CASE("a word that is cut short or goes on is none") {
  for (const Word& word : words()) {
    auto bytes = encoded(word);
    for (std::size_t size = 0; size < bytes.size(); ++size)
      CHECK_FALSE(decode(Bytes(bytes).first(size)));
    bytes.push_back({});
    CHECK_FALSE(decode(bytes));
  }
}

TEST_CASE("an offer of what cannot be is none, nor is a block that comes without one") {
  const auto refused_in = [](std::size_t at, auto change) {
    Word word = words()[at];
    change(word);
    return !decode(encoded(word));
  };
  const auto refused = [&](auto change) { return refused_in(0, change); };
  CHECK(refused([](Word& word) { word.kind = static_cast<Word::Kind>(0); }));
  CHECK(refused([](Word& word) { word.kind = static_cast<Word::Kind>(6); }));
  CHECK(refused([](Word& word) { word.block_bytes = 0; }));
  CHECK(refused([](Word& word) { word.block_bytes = least_block_bytes - 1; }));
  CHECK(refused([](Word& word) { word.block_bytes = most_block_bytes + 1; }));
  CHECK(refused([](Word& word) { word.bytes = word.region_bytes + 1; }));
  CHECK(refused([](Word& word) { word.bytes = word.region_bytes = most_object_bytes + 1; }));
  CHECK(refused([](Word& word) { word.region_bytes = UINT64_MAX; }));
  CHECK(refused([](Word& word) { word.schedule = static_cast<Kind>(4); }));
  CHECK(refused([](Word& word) { word.stays = true; }));  // others pass it on
  CHECK(refused_in(2, [](Word& word) { word.schedule = Kind::binomial_pipeline; }));
  CHECK(refused_in(3, [](Word& word) { word.bytes = word.region_bytes + 1; }));
  CHECK(refused_in(3, [](Word& word) { word.block_bytes = 0; }));
  auto flags = encoded(words()[2]);
  flags[4] = std::byte{2};
  CHECK_FALSE(decode(flags));
}

}  // namespace
}  // namespace squall::multicast::bulk
