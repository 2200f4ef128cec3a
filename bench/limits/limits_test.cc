#include "bench/limits/limits.h"

#include <doctest/doctest.h>

// Short runs under any load: the bounds only tell a figure from nonsense. What needs two processes
// gets long enough for both to run in every round.

namespace squall::bench {
namespace {

void check_limit(const Result<Limit>& limit, std::string_view unit, double least, double most) {
  REQUIRE_MESSAGE(limit, limit.error().text());
  MESSAGE(limit->what << ": " << limit->value << " " << limit->unit);
  CHECK(limit->unit == unit);
  CHECK(limit->value > least);
  CHECK(limit->value < most);
}

TEST_CASE("a raw ring passes entries of any size") {
  for (const std::size_t size : {1u, 16u, 64u, 1024u, 100'000u})
    for (const Publish publish : {Publish::every_entry, Publish::batches})
      check_limit(measure_ring(size, publish, 50ms), "messages/s", 1e2, 1e10);
}

TEST_CASE("a trip through shared memory takes a time of its own") {
  for (const std::size_t size : {8u, 64u, 65536u})
    check_limit(measure_shared_memory_one_way(size, 50ms), "us", 1e-3, 1e6);
}

TEST_CASE("raw TCP has a round trip and a stream") {
  for (const std::size_t size : {0u, 64u, 65536u}) {
    check_limit(measure_tcp_round_trip(size, 400ms), "us", 0.5, 1e6);
    for (const Sends sends : {Sends::one_each, Sends::joined})
      check_limit(measure_tcp_stream(size, sends, 400ms), "bytes/s", 1e2, 1e12);
  }
}

TEST_CASE("a bare libfabric endpoint has a round trip and a stream") {
  for (const std::size_t size : {0u, 64u, 65536u}) {
    check_limit(measure_libfabric_round_trip(size, 400ms), "us", 0.5, 1e6);
    if (size == 0) continue;
    for (const Sends sends : {Sends::one_each, Sends::joined})
      check_limit(measure_libfabric_stream(size, sends, 400ms), "bytes/s", 1e2, 1e12);
  }
}

TEST_CASE("a bare libfabric endpoint streams objects in blocks") {
  for (const std::size_t size : {1000u, 1'000'000u, 10'000'000u})
    check_limit(measure_libfabric_blocks(size, block_bytes, 400ms), "bytes/s", 1e2, 1e12);
  CHECK(measure_libfabric_blocks(0, block_bytes, 400ms).error().code == Code::invalid);
  CHECK(measure_libfabric_blocks(1000, 0, 400ms).error().code == Code::invalid);
}

TEST_CASE("raw TCP passes objects from process to process") {
  // Less than a block, no multiple of one, and more processes than cores.
  for (const std::size_t size : {1000u, 1'000'001u})
    for (const unsigned members : {2u, 3u, 8u})
      check_limit(measure_tcp_chain(size, members, 400ms), "bytes/s", 1e2, 1e12);
  for (const unsigned members : {0u, 1u, 65u})
    CHECK(measure_tcp_chain(1000, members, 400ms).error().code == Code::invalid);
  CHECK(measure_tcp_chain(0, 2, 400ms).error().code == Code::invalid);
}

TEST_CASE("memcpy copies, within a process and from another one") {
  for (const std::size_t size : {64u, 1u << 20, 20'000'000u}) {
    check_limit(measure_memcpy(size, 50ms), "bytes/s", 1e6, 1e13);
    check_limit(measure_copy_between(size, 50ms), "bytes/s", 1e6, 1e13);
  }
}

}  // namespace
}  // namespace squall::bench
