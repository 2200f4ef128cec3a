#include "core/mirror/ring_reader.h"

#include <doctest/doctest.h>

#include <cstring>
#include <initializer_list>
#include <vector>

#include "core/base/random.h"
#include "core/mirror/ring_reader_fuzz.h"

namespace squall::mirror {
namespace {

constexpr std::size_t ring_bytes = 4096;

/// A ring whose frames are set byte by byte, as a hostile peer would.
struct Ring {
  void frame(Position at, std::uint32_t bytes, FrameKind kind, Round round) {
    const FrameHeader header{bytes, kind, round};
    std::memcpy(memory.data() + at % ring_bytes, &header, sizeof(header));
  }
  void message(Position at, std::uint32_t bytes, Round round) {
    frame(at, bytes, FrameKind::message, round);
  }
  std::vector<std::byte> memory = std::vector<std::byte>(ring_bytes);
  RingReader reader{memory.data(), ring_bytes};
};

TEST_CASE("an empty ring has no head, is exhausted and nothing of it is consumed") {
  Ring ring;
  CHECK(ring.reader.extend(0));
  CHECK(ring.reader.advance());
  CHECK(ring.reader.head_round() == no_round);
  CHECK(ring.reader.exhausted());
  CHECK(ring.reader.consumed() == 0);
}

TEST_CASE("the head is not consumed before the reader has moved past it") {
  Ring ring;
  ring.message(0, 5, 3);
  ring.message(32, 0, 4);
  REQUIRE(ring.reader.extend(48));
  REQUIRE(ring.reader.advance());
  CHECK(ring.reader.head_round() == 3);
  CHECK(ring.reader.head().size() == 5);
  CHECK(ring.reader.head().data() == ring.memory.data() + 16);
  CHECK(ring.reader.consumed() == 0);
  REQUIRE(ring.reader.advance());
  CHECK(ring.reader.head_round() == 4);
  CHECK(ring.reader.head().empty());
  CHECK(ring.reader.consumed() == 32);
  CHECK(ring.reader.exhausted());
  REQUIRE(ring.reader.advance());
  CHECK(ring.reader.head_round() == no_round);
  CHECK(ring.reader.consumed() == 48);
}

TEST_CASE("what is not published is not looked at") {
  Ring ring;
  ring.message(0, 0, 0);
  ring.message(16, 0, 0);  // would be damage
  REQUIRE(ring.reader.extend(16));
  REQUIRE(ring.reader.advance());
  REQUIRE(ring.reader.advance());
  CHECK(ring.reader.head_round() == no_round);
}

TEST_CASE("padding is walked over, also when nothing follows it yet") {
  Ring ring;
  ring.message(0, 1000, 0);
  const Position end = frame_bytes(1000);
  ring.frame(end, static_cast<std::uint32_t>(ring_bytes - end - 16), FrameKind::padding, 0);
  REQUIRE(ring.reader.extend(ring_bytes));
  REQUIRE(ring.reader.advance());
  REQUIRE(ring.reader.advance());
  CHECK(ring.reader.head_round() == no_round);
  CHECK(ring.reader.consumed() == ring_bytes);
  ring.message(ring_bytes, 7, 1);
  REQUIRE(ring.reader.extend(ring_bytes + 32));
  REQUIRE(ring.reader.advance());
  CHECK(ring.reader.head_round() == 1);
  CHECK(ring.reader.head().data() == ring.memory.data() + 16);
}

TEST_CASE("a published position that cannot be right is refused") {
  Ring ring;
  ring.message(0, 0, 0);
  ring.message(16, 0, 1);
  CHECK_FALSE(ring.reader.extend(8));
  CHECK_FALSE(ring.reader.extend(ring_bytes + 16));
  CHECK_FALSE(ring.reader.extend(UINT64_MAX));
  CHECK_FALSE(ring.reader.extend(UINT64_MAX - 15));
  CHECK(ring.reader.extend(32));
  CHECK_FALSE(ring.reader.extend(16));
  CHECK(ring.reader.extend(ring_bytes));
}

TEST_CASE("a writer may be a whole ring ahead of the head, but no byte more") {
  Ring ring;
  ring.message(0, 0, 0);
  REQUIRE(ring.reader.extend(32));
  REQUIRE(ring.reader.advance());
  // The head lies at 0 and is still read: it must not be overwritten.
  CHECK_FALSE(ring.reader.extend(ring_bytes + 16));
  ring.message(16, 0, 1);
  REQUIRE(ring.reader.advance());
  CHECK(ring.reader.extend(ring_bytes + 16));
}

TEST_CASE("a frame longer than what is published, or past the ring's end, is damage") {
  for (const std::uint32_t bytes : {17u, 4096u, 0x7fffffffu, 0xfffffff0u, 0xffffffffu}) {
    Ring ring;
    ring.message(0, bytes, 0);
    REQUIRE(ring.reader.extend(32));
    CHECK_FALSE(ring.reader.advance());
    CHECK(ring.reader.head_round() == no_round);
  }
  Ring ring;
  ring.message(0, 4096 - 64 - 16, 0);
  ring.message(4096 - 64, 49, 1);  // 80 bytes where 64 are left
  REQUIRE(ring.reader.extend(4096 - 64));
  REQUIRE(ring.reader.advance());
  REQUIRE(ring.reader.advance());
  REQUIRE(ring.reader.extend(4096 + 64));
  CHECK_FALSE(ring.reader.advance());
}

TEST_CASE("a frame of an unknown kind is damage: zeros, which a ring starts with, too") {
  for (const std::uint32_t kind : {0u, 4u, 0xffffffffu}) {
    Ring ring;
    ring.frame(0, 0, static_cast<FrameKind>(kind), 0);
    REQUIRE(ring.reader.extend(16));
    CHECK_FALSE(ring.reader.advance());
  }
}

TEST_CASE("a round that does not increase is damage, and so is the one that means none") {
  for (const Round second : {Round{4}, Round{5}, no_round}) {
    Ring ring;
    ring.message(0, 0, 5);
    ring.message(16, 0, second);
    REQUIRE(ring.reader.extend(32));
    REQUIRE(ring.reader.advance());
    CHECK_FALSE(ring.reader.advance());
  }
  Ring ring;
  ring.message(0, 0, no_round - 1);
  ring.message(16, 0, 0);
  REQUIRE(ring.reader.extend(32));
  REQUIRE(ring.reader.advance());
  CHECK_FALSE(ring.reader.advance());
}

TEST_CASE("thousands of hostile rings are read without a step outside") {
  Random random(11);
  std::size_t taken = 0;
  for (int input = 0; input < 5000; ++input) {
    std::vector<std::byte> bytes(16 + 256);
    for (std::size_t at = 0; at < 16; ++at) bytes[at] = static_cast<std::byte>(random.next());
    // Frames that are right as a rule, so that the walk gets far; then some bytes are flipped.
    Round round = 0;
    for (std::size_t at = 16; at < bytes.size();) {
      const auto message = static_cast<std::uint32_t>(random.below(random.one_in(8) ? 400 : 40));
      const FrameHeader header{message, random.one_in(6) ? FrameKind::padding : FrameKind::message,
                               round++};
      std::memcpy(bytes.data() + at, &header, sizeof(header));
      at += std::min<std::size_t>(frame_bytes(message), bytes.size() - at);
    }
    for (auto flips = random.below(4); flips > 0; --flips)
      bytes[16 + random.below(256)] = static_cast<std::byte>(random.next());
    taken += fuzz_ring_reader(bytes);
  }
  CHECK(taken > 2000);
}

}  // namespace
}  // namespace squall::mirror
