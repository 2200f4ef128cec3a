// Addresses of several fabrics, from peers that may say anything.
#include "providers/mixed/mixed_address.h"

#include <doctest/doctest.h>

#include "core/base/random.h"

namespace squall::mixed {
namespace {

Address two() {
  return {host_digest("boot 1 0"),
          {{"shm", "squall-shm-0123"}, {"tcp", std::string("10.0.0.1:7\0x", 12)}}};
}

TEST_CASE("an address is what was written") {
  CHECK(decode_address(encode(two())) == two());
  CHECK(host_digest("a") != host_digest("b"));
}

TEST_CASE("what is cut short, longer, or of another version is none") {
  const std::string text = encode(two());
  for (std::size_t bytes = 0; bytes < text.size(); ++bytes)
    CHECK_FALSE(decode_address(text.substr(0, bytes)));
  CHECK_FALSE(decode_address(text + "x"));
  std::string other = text;
  other[0] ^= 1;
  CHECK_FALSE(decode_address(other));
  CHECK_FALSE(decode_address(std::string(4096, 'a')));
}

TEST_CASE("a fabric twice, without a name, or too many are refused") {
  Address address = two();
  address.parts.push_back({"shm", "again"});
  CHECK_FALSE(decode_address(encode(address)));
  address.parts.back().fabric = "";
  CHECK_FALSE(decode_address(encode(address)));
  address.parts.clear();
  CHECK_FALSE(decode_address(encode(address)));
  for (std::size_t i = 0; i <= Address::most_parts; ++i)
    address.parts.push_back({std::to_string(i), ""});
  CHECK_FALSE(decode_address(encode(address)));
}

TEST_CASE("one that would be too long is not written") {
  Address address = two();
  address.parts[0].address.resize(Address::most_bytes);
  CHECK(encode(address).empty());
}

TEST_CASE("no bytes do harm") {
  Random random(1);
  const std::string text = encode(two());
  for (int i = 0; i < 20'000; ++i) {
    std::string other = text;
    for (std::uint64_t left = 1 + random.below(4); left > 0; --left)
      other[random.below(other.size())] = static_cast<char>(random.next());
    if (const auto address = decode_address(other)) CHECK(encode(*address) == other);
  }
}

}  // namespace
}  // namespace squall::mixed
