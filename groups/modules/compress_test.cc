// What goes out comes back, shorter where it can be; whatever else comes in is refused.

#include "groups/modules/compress.h"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/multicast/codec.h"

namespace squall::modules {
namespace {

constexpr std::size_t most = 4080;

std::vector<std::byte> bytes_of(const std::string& text) {
  const Bytes bytes = as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

TEST_CASE("compress: any message comes back, and is at most a byte longer on its way") {
  CHECK(rc::check([] {
    const CompressLz4 codec;
    // Few different bytes compress, many do not.
    const auto letters = *rc::gen::element(2, 10, 256);
    const auto message = *rc::gen::container<std::vector<std::uint8_t>>(
        *rc::gen::inRange<std::size_t>(0, 2000),
        rc::gen::map(rc::gen::inRange(0, letters),
                     [](int value) { return static_cast<std::uint8_t>(value); }));
    const Bytes plain = std::as_bytes(std::span(message));
    std::vector<std::byte> out, in;
    const Bytes encoded = codec.encode(plain, out);
    RC_ASSERT(encoded.size() <= plain.size() + codec.overhead());
    const auto decoded = codec.decode(encoded, plain.size(), in);
    RC_ASSERT(decoded.has_value());
    RC_ASSERT(std::ranges::equal(*decoded, plain));
    if (!plain.empty()) RC_ASSERT(!codec.decode(encoded, plain.size() - 1, in));
  }));
}

TEST_CASE("compress: what repeats becomes short, what is small travels as it is, without a copy") {
  const CompressLz4 codec;
  std::vector<std::byte> out, in;
  const auto long_one = bytes_of(std::string(4000, 'x'));
  const Bytes short_one = codec.encode(long_one, out);
  CHECK(short_one.size() < 100);
  CHECK(std::ranges::equal(codec.decode(short_one, most, in).value(), long_one));
  const auto small = bytes_of("aaaaaaaaaaaaaaaa");
  const Bytes as_it_is = codec.encode(small, out);
  CHECK(as_it_is.size() == small.size() + 1);
  CHECK(codec.decode(as_it_is, most, in)->data() == as_it_is.data());
}

TEST_CASE("compress: what lies in the ring already travels as it is") {
  const CompressLz4 codec;
  auto whole = bytes_of(std::string(4000, 'x') + "?");
  codec.encode_in_place(whole);
  std::vector<std::byte> in;
  const auto decoded = codec.decode(whole, most, in);
  REQUIRE(decoded);
  CHECK(std::ranges::equal(*decoded, Bytes(whole).first(4000)));
}

TEST_CASE("compress: hostile bytes are refused, and take no more memory than a message may") {
  const CompressLz4 codec;
  std::vector<std::byte> out, in;
  const auto message = bytes_of(std::string(2000, 'x'));
  const Bytes encoded = codec.encode(message, out);
  const std::vector<std::byte> right(encoded.begin(), encoded.end());
  const auto refused = [&](std::vector<std::byte> bytes) {
    return !codec.decode(bytes, most, in).has_value();
  };
  CHECK(refused({}));
  CHECK(refused({std::byte{1}}));
  CHECK(refused({std::byte{0}, std::byte{0}, std::byte{0}, std::byte{0}, std::byte{1}}));
  for (const int mark : {2, 17, 255}) {
    auto bytes = right;
    bytes.back() = static_cast<std::byte>(mark);
    CHECK(refused(bytes));
  }
  for (const std::uint32_t length : {0u, 1u, 1999u, 2001u, 4081u, 0x7fffffffu, 0xffffffffu}) {
    auto bytes = right;
    std::memcpy(bytes.data() + (bytes.size() - 5), &length, sizeof(length));
    CAPTURE(length);
    CHECK(refused(bytes));
  }
  CHECK(in.size() <= most);
  auto cut = right;
  cut.erase(cut.begin());
  CHECK(refused(cut));
  CHECK(refused(std::vector<std::byte>(most + 2)));  // as it is, and too long
}

TEST_CASE("codecs pass a message on from the top of the stack, and back from its bottom") {
  const multicast::Codecs twice({std::make_shared<CompressLz4>(), std::make_shared<CompressLz4>()});
  multicast::Codecs::Scratch out, in;
  CHECK(twice.overhead() == 2);
  const auto message = bytes_of(std::string(3000, 'y') + "z");
  const Bytes encoded = twice.encode(message, out);
  CHECK(encoded.size() < 100);
  REQUIRE(twice.decode(encoded, most, in));
  CHECK(std::ranges::equal(*twice.decode(encoded, message.size(), in), message));
  CHECK_FALSE(twice.decode(encoded, message.size() - 1, in));
  auto whole = bytes_of("abc??");
  twice.encode_in_place(whole);
  CHECK(as_text(twice.decode(whole, 3, in).value()) == "abc");
}

}  // namespace
}  // namespace squall::modules
