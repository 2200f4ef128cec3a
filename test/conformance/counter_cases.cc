// Promises 1 and 2, between processes: what lands, lands in order and whole, for a reader on a
// thread of its own while another thread turns the fabric.
#include <doctest/doctest.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "core/fabric/memory.h"
#include "test/conformance/child.h"
#include "test/conformance/world.h"

namespace squall::conformance {
namespace {

using fabric::Memory;

constexpr RegionId counters{1}, payloads{2};
constexpr std::size_t words = 6;
constexpr std::size_t word_stride = 64;  // a cache line each, as tables have it
const std::uint64_t updates = repeats(100'000);
constexpr std::size_t payload_bytes = 64 << 10;
const std::uint64_t payload_rounds = repeats(300);

// Torn anywhere, its halves do not fit.
std::uint64_t stamp(std::uint64_t value) {
  return value << 32 | (~value & 0xffffffff);
}
bool whole(std::uint64_t word) {
  return word == 0 || (word >> 32) == (~word & 0xffffffff);
}
std::uint64_t value_of(std::uint64_t stamped) {
  return stamped >> 32;
}

// Six counters, one push each and a flush, `updates` times over.
void play_updater(Link& link, const std::string&) {
  Memory memory = must(Memory::create(4096), "memory");
  Joined joined = join(link);
  Node& node = *joined.node;
  must(node->expose(counters, memory), "expose");
  expect(joined.world->until([&] { return node.count(Kind::attached) == 1; }), "attached");
  expect(link.hear(*joined.world) == "go", "the parent says go");
  node.seen.clear();
  for (std::uint64_t value = 1; value <= updates; ++value) {
    for (std::size_t word = 0; word < words; ++word) {
      store_counter(memory.data() + word * word_stride, stamp(value));
      must(node->push(counters, word * word_stride, 8, Lane::urgent), "push");
    }
    node.turn();
  }
  link.say("done");
  link.hear(*joined.world, 10 * patience);
}
const Role updater{"updater", play_updater};

TEST_CASE("promise 2: a counter is never torn nor early, whatever thread turns the fabric" *
          doctest::skip(!subject().processes)) {
  const auto world = subject().make_world();
  Node& node = world->add("reader");
  Child child("updater");
  const PeerId peer = admit(*world, node, child);
  const std::byte* replica = must(node->import(peer, counters, 4096), "import");

  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> torn{0}, early{0}, backward{0}, changes{0};
  std::thread reader([&] {
    std::uint64_t last[words] = {};
    while (!stop.load(std::memory_order_relaxed)) {
      // From the last pushed to the first: each must be at least as new as the one after it.
      std::uint64_t newest = 0;
      for (std::size_t word = words; word-- > 0;) {
        const std::uint64_t seen = load_counter(replica + word * word_stride);
        if (!whole(seen)) torn.fetch_add(1);
        if (value_of(seen) < newest) early.fetch_add(1);
        if (value_of(seen) < last[word]) backward.fetch_add(1);
        if (value_of(seen) != last[word]) changes.fetch_add(1);
        newest = last[word] = value_of(seen);
      }
    }
  });
  child.link().say("go");
  const bool finished = world->until(
      [&] {
        return value_of(load_counter(replica + (words - 1) * word_stride)) == updates ||
               node.count(Kind::lost) > 0;
      },
      6 * patience);
  stop = true;
  reader.join();
  CHECK(finished);
  CHECK(node.count(Kind::lost) == 0);
  CHECK(torn == 0);
  CHECK(early == 0);
  CHECK(backward == 0);
  CHECK(changes > 0);  // or it has looked at nothing
  for (std::size_t word = 0; word < words; ++word)
    CHECK(load_counter(replica + word * word_stride) == stamp(updates));
}

// Rounds of 64 KB of payload, then the counter that publishes it; the next only when told.
void play_publisher(Link& link, const std::string& argument) {
  const Lane lane = argument == "bulk" ? Lane::bulk : Lane::urgent;
  Memory memory = must(Memory::create(4096), "memory");
  Memory payload = must(Memory::create(payload_bytes), "memory");
  Joined joined = join(link);
  Node& node = *joined.node;
  must(node->expose(counters, memory), "expose");
  must(node->expose(payloads, payload), "expose");
  expect(joined.world->until([&] { return node.count(Kind::attached) == 2; }), "attached");
  link.say("attached");
  node.seen.clear();
  for (std::uint64_t round = 1; round <= payload_rounds; ++round) {
    const std::string bytes = content(round, payload_bytes);
    std::memcpy(payload.data(), bytes.data(), bytes.size());
    must(node->push(payloads, 0, payload_bytes, lane, round), "push");
    store_counter(memory.data(), round);
    must(node->push(counters, 0, 8, lane), "push");
    const bool acknowledged =
        joined.world->until([&] { return node.count(Kind::message) == round; });
    expect(acknowledged, "the reader has read the round");
    expect(joined.world->until([&] { return node.count(Kind::completed) == round; }),
           "the payload's token came back");
  }
  link.hear(*joined.world);
}
const Role publisher{"publisher", play_publisher};

void data_before_counter(const char* lane) {
  const auto world = subject().make_world();
  Node& node = world->add("reader");
  Child child("publisher", lane);
  const PeerId peer = admit(*world, node, child);
  const std::byte* counter = must(node->import(peer, counters, 4096), "import");
  const std::byte* payload = must(node->import(peer, payloads, payload_bytes), "import");
  REQUIRE(child.link().hear(*world) == "attached");

  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> read{0}, stale{0};
  std::thread reader([&] {
    while (!stop.load(std::memory_order_relaxed)) {
      const std::uint64_t round = load_counter(counter);
      if (round == read.load(std::memory_order_relaxed)) continue;
      const std::string expected = content(round, payload_bytes);
      if (std::memcmp(payload, expected.data(), payload_bytes) != 0) stale.fetch_add(1);
      read.store(round, std::memory_order_release);
    }
  });
  std::uint64_t acknowledged = 0;
  const bool finished = world->until(
      [&] {
        if (const std::uint64_t now = read.load(std::memory_order_acquire); now > acknowledged)
          if (node->send(peer, Lane::urgent, as_bytes("read"))) acknowledged = now;
        return acknowledged == payload_rounds || node.count(Kind::lost) > 0;
      },
      6 * patience);
  stop = true;
  reader.join();
  CHECK(finished);
  CHECK(acknowledged == payload_rounds);
  CHECK(stale == 0);
}

TEST_CASE("promise 1: a counter is never seen before the 64 KB pushed before it, urgent" *
          doctest::skip(!subject().processes)) {
  data_before_counter("urgent");
}

TEST_CASE("promise 1: a counter is never seen before the 64 KB pushed before it, bulk" *
          doctest::skip(!subject().processes)) {
  data_before_counter("bulk");
}

}  // namespace
}  // namespace squall::conformance
