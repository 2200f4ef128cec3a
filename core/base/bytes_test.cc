#include "core/base/bytes.h"

#include <doctest/doctest.h>

#include "core/base/random.h"

namespace squall {
namespace {

enum class Colour : std::uint16_t { red = 7 };

TEST_CASE("what a Writer wrote, a Reader reads") {
  Writer writer;
  writer.put(std::uint8_t{1}).put(Colour::red).put(std::int64_t{-5}).put("name");
  writer.put(as_bytes(std::string_view("\0\xff", 2))).put(std::string_view{});
  Reader reader(writer.bytes());
  CHECK(reader.get<std::uint8_t>() == 1);
  CHECK(reader.get<Colour>() == Colour::red);
  CHECK(reader.get<std::int64_t>() == -5);
  CHECK(reader.get_string(4) == "name");
  CHECK(reader.get_bytes(2).size() == 2);
  CHECK_FALSE(reader.done());
  CHECK(reader.get_string(0).empty());
  CHECK(reader.done());
}

TEST_CASE("values lie little-endian, without gaps") {
  Writer writer;
  writer.put(std::uint8_t{9}).put(std::uint32_t{0x01020304}).put("a");
  CHECK(as_text(writer.bytes()) == std::string_view("\x09\x04\x03\x02\x01\x01\0\0\0a", 10));
}

TEST_CASE("a Reader that ran short stays failed and gives zeros, whatever follows") {
  Writer writer;
  writer.put(std::uint16_t{0xffff});
  Reader reader(writer.bytes());
  CHECK(reader.get<std::uint32_t>() == 0);
  CHECK_FALSE(reader.ok());
  CHECK(reader.get<std::uint8_t>() == 0);
  CHECK(reader.get_bytes(100).empty());
  CHECK(reader.rest().empty());
  CHECK_FALSE(reader.done());
}

TEST_CASE("a length over the limit, or over what is there, fails before it is used") {
  for (const std::uint32_t length : {4u, 5u, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
    Writer writer;
    writer.put(length).put(std::uint8_t{1}).put(std::uint8_t{2}).put(std::uint8_t{3});
    Reader reader(writer.bytes());
    CHECK(reader.get_bytes(SIZE_MAX).empty());
    CHECK_FALSE(reader.ok());
  }
  Writer writer;
  writer.put("four");
  Reader strict(writer.bytes());
  CHECK(strict.get_string(3).empty());
  CHECK_FALSE(strict.ok());
  Reader exact(writer.bytes());
  CHECK(exact.get_string(4) == "four");
  CHECK(exact.done());
}

TEST_CASE("a run of bytes points into what is read") {
  Writer writer;
  writer.put("here");
  Reader reader(writer.bytes());
  CHECK(reader.get_bytes(9).data() == writer.bytes().data() + 4);
}

TEST_CASE("random bytes, read in random shapes, never lead outside") {
  Random random(1);
  for (int input = 0; input < 5000; ++input) {
    std::vector<std::byte> bytes(random.below(40));
    // Small values, so that some lengths fit.
    for (std::byte& byte : bytes)
      byte = static_cast<std::byte>(random.below(4) ? 0 : random.next());
    Reader reader(bytes);
    std::size_t left = bytes.size();
    while (reader.ok()) {
      if (random.one_in(2)) {
        reader.get<std::uint32_t>();
      } else {
        const Bytes run = reader.get_bytes(20);
        CHECK(run.size() <= 20);
        if (!run.empty()) {
          CHECK(run.data() >= bytes.data());
          CHECK(run.data() + run.size() <= bytes.data() + bytes.size());
        }
      }
      if (reader.ok()) CHECK(reader.rest().size() < left);
      left = reader.rest().size();
    }
  }
}

}  // namespace
}  // namespace squall
