// The turning thread's stretch of a ring: what it takes for messages to come, and gives back.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/copy.h"
#include "core/mirror/ring_reader.h"
#include "core/mirror/ring_test_kit.h"
#include "core/mirror/ring_writer.h"

namespace squall::mirror {
namespace {

TEST_CASE("lines that a stream takes back ahead of itself are nobody's yet") {
  constexpr std::size_t bytes = std::size_t{256} << 10;
  const auto writer = RingWriter::create(bytes).value();
  RingReader reader(writer->memory().data(), bytes);
  const auto fill = [](const RingWriter::Claim& claim, std::uint8_t with) {
    std::memset(claim.message, with, claim.message_bytes);
  };
  const std::vector<std::byte> message(64, std::byte{1});
  Round next = 0;
  for (int lap = 0; lap < 3; ++lap) {
    // In the thread's stretch: appended, reserved for whoever fills it late, and appended again.
    unsigned appended = 0;
    for (; appended < 20; ++appended) REQUIRE(writer->append_here(message));
    RingWriter::Claim reserved, claimed;
    REQUIRE(writer->claim_here(200, reserved));
    fill(reserved, 2);
    // Right behind the stretch, by another thread.
    REQUIRE(writer->claim(3000, claimed));
    fill(claimed, 3);
    writer->commit(claimed);
    while (writer->append_short_here(message)) ++appended;
    CHECK(appended > 100);
    writer->commit(reserved);
    CHECK(writer->publish(next) == appended + 2);
    REQUIRE(reader.extend(writer->published()));
    unsigned count = 0;
    while (reader.advance() && reader.head_round() != no_round) {
      const std::uint8_t with = reader.head().size() == 64    ? 1
                                : reader.head().size() == 200 ? 2
                                                              : 3;
      CHECK(std::ranges::all_of(reader.head(),
                                [&](std::byte byte) { return byte == std::byte{with}; }));
      ++count;
    }
    CHECK(count == appended + 2);
    writer->release(writer->published());
  }
}

TEST_CASE("a short message is taken at once, or left to who takes any") {
  Ring ring;
  const std::string longest(most_short_bytes, 'x'), longer = longest + "x";
  CHECK_FALSE(ring.writer->append_short_here(as_bytes(longest)));  // no stretch yet
  CHECK(ring.writer->append_here(as_bytes(std::string_view("first"))));
  CHECK(ring.writer->append_short_here(as_bytes(longest)));
  CHECK_FALSE(ring.writer->append_short_here(as_bytes(longer)));
  CHECK(ring.writer->publish(ring.next) == 2);
  CHECK_FALSE(ring.writer->append_short_here(as_bytes(longest)));  // given back with it
  CHECK(ring.read() == Texts{"first", longest});
}

TEST_CASE("who sends one short message at a time has room for the next, which nobody counts") {
  Ring ring;
  CHECK(ring.writer->append_here(as_bytes(std::string_view("one"))));
  CHECK(ring.writer->publish(ring.next) == 1);
  const std::uint64_t free = ring.writer->free_bytes();
  ring.writer->prepare();
  CHECK(ring.writer->free_bytes() == free - 256);
  CHECK_FALSE(ring.writer->pending());
  CHECK(ring.writer->waiting() == 0);
  CHECK(ring.writer->publish(ring.next) == 0);
  CHECK(ring.writer->append_short_here(as_bytes(std::string_view("two"))));
  CHECK(ring.writer->pending());
  CHECK(ring.writer->waiting() == 32);
  CHECK(ring.writer->publish(ring.next) == 1);
  CHECK(ring.read() == Texts{"one", "two"});
  // Another thread's goes behind the room, which is skipped, and not prepared again.
  ring.writer->prepare();
  CHECK(ring.append("three"));
  CHECK(ring.writer->pending());
  CHECK(ring.writer->publish(ring.next) == 1);
  CHECK(ring.read() == Texts{"three"});
  const std::uint64_t then = ring.writer->free_bytes();
  ring.writer->prepare();
  CHECK(ring.writer->free_bytes() == then);
  // Nor is it for one that is longer, or for several.
  CHECK(ring.writer->append_here(as_bytes(std::string(500, 'x'))));
  CHECK(ring.writer->publish(ring.next) == 1);
  const std::uint64_t last = ring.writer->free_bytes();
  ring.writer->prepare();
  CHECK(ring.writer->free_bytes() == last);
}

}  // namespace
}  // namespace squall::mirror
