#include "core/mirror/buffer.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/time.h"
#include "core/mirror/outbox.h"

namespace squall::mirror {
namespace {

constexpr std::size_t kib = 1024;
constexpr auto first = fabric::RegionId{100};

TEST_CASE("a pool gives what it has, says so when it has no more, and gives it again") {
  const auto pool = Pool::create(256 * kib, first);
  Buffer one = pool->take(100 * kib).value();
  Buffer two = pool->take(100 * kib).value();
  CHECK(one.size() == 100 * kib);
  CHECK(one.bytes().size() == 100 * kib);
  CHECK(one.slab()->region != two.slab()->region);
  CHECK(pool->take(100 * kib).error().code == Code::would_block);
  CHECK(pool->take(257 * kib).error().code == Code::too_large);
  const auto region = one.slab()->region;
  one = Buffer();  // swapped out, and gone with the temporary
  const Buffer again = pool->take(90 * kib).value();
  CHECK(again.slab()->region == region);
  CHECK(again.size() == 90 * kib);
  CHECK_FALSE(pool->has_retired());
}

TEST_CASE("what is kept makes room for other sizes, and is the engine's to let go") {
  const auto pool = Pool::create(1024 * kib, first);
  static_cast<void>(pool->take(600 * kib).value());
  // Far too large to serve this one, so both are there.
  const Buffer small = pool->take(4 * kib).value();
  CHECK(pool->bytes() == 604 * kib);
  const Buffer large = pool->take(900 * kib).value();
  CHECK(pool->bytes() == 904 * kib);
  REQUIRE(pool->has_retired());
  const auto retired = pool->take_retired();
  REQUIRE(retired.size() == 1);
  CHECK(retired.front()->region == first);
  CHECK_FALSE(pool->has_retired());
}

TEST_CASE("a place that must be is given over the limit, and not kept") {
  const auto pool = Pool::create(64 * kib, first);
  Buffer one = pool->take(64 * kib).value();
  Buffer two = pool->take_anyway(128 * kib).value();
  CHECK(pool->bytes() == 192 * kib);
  two = Buffer();
  CHECK(pool->bytes() == 64 * kib);
  CHECK(pool->take_retired().size() == 1);
}

std::vector<std::string> logged;

TEST_CASE("a host without memory is told of once a second, however often it is asked") {
  set_log_sink([](Level, std::string_view line) { logged.emplace_back(line); });
  const auto pool = Pool::create(64 * kib, first);
  constexpr std::size_t more_than_addresses = std::size_t{1} << 60;
  const Time began = Monotonic::now();
  std::size_t asked = 0;
  for (; asked < 1000; ++asked)
    CHECK(pool->take_anyway(more_than_addresses).error().code == Code::io);
  const auto seconds = static_cast<std::size_t>((Monotonic::now() - began) / 1s);
  set_log_sink(nullptr);
  CHECK(logged.size() >= 1);
  CHECK(logged.size() <= seconds + 1);
  CHECK(logged.front().find("1152921504606846976 bytes") != std::string::npos);
  CHECK(pool->bytes() == 0);
}

TEST_CASE("what somebody may still read is not used again") {
  const auto pool = Pool::create(64 * kib, first);
  Buffer one = pool->take(kib).value();
  one.slab()->spent = true;
  one = Buffer();
  CHECK(pool->take_retired().size() == 1);
  CHECK(pool->bytes() == 0);
  CHECK(pool->take(kib).value().slab()->region != first);
}

TEST_CASE("an empty object is one, and a buffer can be made shorter") {
  const auto pool = Pool::create(64 * kib, first);
  CHECK(pool->take(0).value().bytes().empty());
  Buffer buffer = pool->take(10 * kib).value();
  buffer.shrink(3);
  CHECK(buffer.bytes().size() == 3);
  buffer.shrink(100);
  CHECK(buffer.size() == 3);
  CHECK_FALSE(Buffer());
}

TEST_CASE("objects lie in the ring in the order of their numbers, and end when all have consumed") {
  auto writer = RingWriter::create(4096).value();
  Outbox outbox(*writer, 64 * kib, first);
  CHECK_FALSE(outbox.news());
  for (int object = 0; object < 3; ++object) {
    REQUIRE(writer->append_here(as_bytes("between")));
    Buffer buffer = outbox.pool().take(kib).value();
    REQUIRE(outbox.send(buffer, true));
    CHECK_FALSE(buffer);
  }
  CHECK(outbox.news());
  outbox.collect();
  CHECK_FALSE(outbox.news());
  REQUIRE(outbox.items().size() == 3);
  CHECK(outbox.items()[0].end <= outbox.items()[1].frame);
  CHECK(outbox.items()[1].end <= outbox.items()[2].frame);
  outbox.consumed(outbox.items()[1].end - 1);
  CHECK(outbox.items().size() == 2);
  outbox.consumed(outbox.items()[1].end);
  CHECK(outbox.items().empty());
}

TEST_CASE("where the ring is full the buffer stays with who wanted to send it") {
  auto writer = RingWriter::create(4096).value();
  Outbox outbox(*writer, 64 * kib, first);
  while (writer->append_here(as_bytes("full"))) {
  }
  Buffer buffer = outbox.pool().take(kib).value();
  // What is left of the ring is less than a frame.
  while (outbox.send(buffer, true)) buffer = outbox.pool().take(kib).value();
  CHECK(outbox.send(buffer, true).error().code == Code::would_block);
  CHECK(buffer.size() == kib);
}

}  // namespace
}  // namespace squall::mirror
