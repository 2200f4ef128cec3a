#include "core/base/copy.h"

#include <doctest/doctest.h>

#include <cstddef>
#include <vector>

namespace squall {
namespace {

TEST_CASE("a copy has all bytes and touches no other, whatever its length and alignment") {
  std::vector<std::byte> from((std::size_t{512} << 10) + 4096);
  for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<std::byte>(i * 7 + i / 251);
  constexpr std::size_t kib = 1024;
  std::vector<std::size_t> lengths{2 * kib,      2 * kib + 1,   2 * kib + 63, 4 * kib - 1,
                                   64 * kib + 7, 512 * kib - 1, 512 * kib,    512 * kib + 1};
  for (std::size_t bytes = 0; bytes <= 300; ++bytes) lengths.push_back(bytes);
  for (const std::size_t bytes : lengths) {
    for (const std::size_t shift : {0, 1, 8}) {
      CAPTURE(bytes);
      CAPTURE(shift);
      std::vector<std::byte> to(bytes + 2 * shift + 2, std::byte{0xee});
      std::vector<std::byte> expected(to.size(), std::byte{0xee});
      for (std::size_t i = 0; i < bytes; ++i) expected[shift + 1 + i] = from[shift + i];
      auto by_words = to;
      copy_message(to.data() + shift + 1, from.data() + shift, bytes);
      CHECK(to == expected);
      copy_words(by_words.data() + shift + 1, from.data() + shift, bytes);
      CHECK(by_words == expected);
    }
  }
}

}  // namespace
}  // namespace squall
