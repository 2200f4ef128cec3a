#include "providers/shm/shm_message.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "core/base/random.h"

namespace squall::shm {
namespace {

using Outcome = MessageSender::Outcome;
using Taken = MessageReceiver::Outcome;

/// Two link segments in plain memory: `a` sends, `b` receives.
struct Pair {
  struct Free {
    void operator()(std::byte* p) const { ::operator delete(p, std::align_val_t(4096)); }
  };
  static std::unique_ptr<std::byte, Free> segment() {
    auto* memory = static_cast<std::byte*>(::operator new(link_bytes, std::align_val_t(4096)));
    std::memset(memory, 0, link_bytes);
    new (memory) LinkHeader{};
    return std::unique_ptr<std::byte, Free>(memory);
  }
  LinkHeader& header(std::byte* of) { return *reinterpret_cast<LinkHeader*>(of); }

  std::unique_ptr<std::byte, Free> a = segment(), b = segment();
  MessageSender sender{a.get(), b.get(), 0};
  MessageReceiver receiver{b.get(), a.get(), 0};

  std::vector<std::byte> take() {
    std::size_t bytes = 0;
    REQUIRE(receiver.peek(bytes) == Taken::message);
    std::vector<std::byte> message(bytes);
    receiver.take(message);
    return message;
  }
};

std::vector<std::byte> pattern(std::size_t bytes, std::uint64_t seed) {
  Random random(seed);
  std::vector<std::byte> made(bytes);
  for (std::byte& b : made) b = static_cast<std::byte>(random.next());
  return made;
}

TEST_CASE("messages of every length come out whole and in order, also across the wrap") {
  Pair pair;
  Random random(7);
  for (std::uint64_t round = 0; round < 300; ++round) {
    const std::size_t bytes =
        round % 10 == 0 ? (round % 20 == 0 ? 0 : max_message_bytes) : random.below(5000);
    const auto first = pattern(bytes, round);
    const auto second = pattern(bytes / 2, ~round);
    REQUIRE(pair.sender.send(first) == Outcome::sent);
    REQUIRE(pair.sender.send(second) == Outcome::sent);
    CHECK(pair.receiver.pending());
    CHECK(pair.take() == first);
    CHECK(pair.take() == second);
    pair.receiver.release();
    CHECK_FALSE(pair.receiver.pending());
  }
}

TEST_CASE("a full ring refuses, asks to be woken, and takes again what was released") {
  Pair pair;
  const auto message = pattern(max_message_bytes, 1);
  int sent = 0;
  while (pair.sender.send(message) == Outcome::sent) ++sent;
  CHECK(sent == 3);  // four frames of 64 KiB and their headers do not fit into 256 KiB
  CHECK_FALSE(pair.sender.room_came());
  CHECK(pair.take() == message);
  CHECK(pair.receiver.release());
  CHECK(pair.sender.room_came());
  CHECK(pair.sender.send(message) == Outcome::sent);
  CHECK(pair.take() == message);
  CHECK_FALSE(pair.receiver.release());
}

TEST_CASE("a small message takes one line, and a ring that is full of them has lost none") {
  Pair pair;
  constexpr std::uint64_t lines = lane_ring_bytes / line_bytes;
  for (std::uint64_t lap = 0, sent = 0, taken = 0; lap < 3; ++lap) {
    while (pair.sender.send(pattern(56, sent)) == Outcome::sent) ++sent;
    // The header behind the last says that there is none, and lies in a line of its own.
    CHECK(sent - taken == lines - 1);
    CHECK(pair.sender.appended() == sent * line_bytes);
    for (; taken < sent; ++taken) CHECK(pair.take() == pattern(56, taken));
    CHECK_FALSE(pair.receiver.pending());
    pair.receiver.release();
  }
}

TEST_CASE("lanes do not share room") {
  Pair pair;
  MessageSender bulk(pair.a.get(), pair.b.get(), 1);
  const auto message = pattern(max_message_bytes, 1);
  while (bulk.send(message) == Outcome::sent) continue;
  CHECK(pair.sender.send(message) == Outcome::sent);
  CHECK(pair.take() == message);
}

TEST_CASE("a receiver survives every lie of a sender") {
  Pair pair;
  auto* frame = reinterpret_cast<std::uint64_t*>(pair.a.get() + link_rings_offset);
  std::size_t bytes = 0;
  SUBCASE("a length over the limit") {
    *frame = max_message_bytes + 2;
  }
  SUBCASE("a length that overflows when rounded up") {
    *frame = ~std::uint64_t{0} - 3;
  }
  SUBCASE("the same behind a message") {
    REQUIRE(pair.sender.send(pattern(100, 1)) == Outcome::sent);
    pair.take();
    frame[16] = ~std::uint64_t{0};
  }
  CHECK(pair.receiver.peek(bytes) == Taken::broken);
}

TEST_CASE("what a message is made of is never taken for the next one") {
  Pair pair;
  // Each lap, every word of the ring looks like the header of a message.
  const std::vector<std::uint64_t> words(1001, 8 + 1);
  const Bytes message = std::as_bytes(std::span(words));
  for (std::uint64_t sent = 0; sent < 4 * lane_ring_bytes; sent += message.size() + 8) {
    CHECK_FALSE(pair.receiver.pending());
    REQUIRE(pair.sender.send(message) == Outcome::sent);
    CHECK(pair.take().size() == message.size());
    pair.receiver.release();
  }
}

TEST_CASE("a peer that has hung up cannot have left more than its ring holds") {
  Pair pair;
  // Empty messages all around, without an end.
  auto* words = reinterpret_cast<std::uint64_t*>(pair.a.get() + link_rings_offset);
  std::fill_n(words, lane_ring_bytes / 8, 1);
  pair.take();
  pair.receiver.nothing_new();
  std::size_t taken = 0;
  for (std::size_t bytes = 0; pair.receiver.pending() && taken <= lane_ring_bytes; ++taken) {
    REQUIRE(pair.receiver.peek(bytes) == Taken::message);
    pair.receiver.take({});
  }
  CHECK(taken == lane_ring_bytes / line_bytes);
  std::size_t bytes = 0;
  CHECK(pair.receiver.peek(bytes) == Taken::empty);
}

TEST_CASE("a sender survives every lie of a receiver") {
  Pair pair;
  auto& consumed = pair.header(pair.b.get()).consumed[0];
  const auto message = pattern(max_message_bytes, 1);
  REQUIRE(pair.sender.send(message) == Outcome::sent);
  REQUIRE(pair.sender.send(message) == Outcome::sent);
  pair.take();
  pair.receiver.release();
  REQUIRE(pair.sender.send(message) == Outcome::sent);
  REQUIRE(pair.sender.send(message) == Outcome::sent);  // has looked at `consumed` by now
  SUBCASE("consumed what was never sent") {
    consumed = lane_ring_bytes * 4;
  }
  SUBCASE("consumed less than before") {
    consumed = 8;
  }
  CHECK(pair.sender.send(message) == Outcome::broken);
}

TEST_CASE("two threads: every message arrives once, whole, in order") {
  Pair pair;
  constexpr std::uint64_t count = 50000;
  std::thread sending([&] {
    Random sizes(3);
    for (std::uint64_t i = 0; i < count; ++i) {
      std::vector<std::uint64_t> message(1 + sizes.below(40), i);
      const Bytes bytes = std::as_bytes(std::span(message));
      while (pair.sender.send(bytes) != Outcome::sent) std::this_thread::yield();
    }
  });
  Random sizes(3);
  bool right = true;
  for (std::uint64_t i = 0; i < count; ++i) {
    while (!pair.receiver.pending()) std::this_thread::yield();
    std::size_t bytes = 0;
    if (pair.receiver.peek(bytes) != Taken::message) right = false;
    std::vector<std::uint64_t> message(bytes / 8);
    pair.receiver.take(std::as_writable_bytes(std::span(message)));
    pair.receiver.release();
    right = right && message == std::vector<std::uint64_t>(1 + sizes.below(40), i);
  }
  sending.join();
  CHECK(right);
}

}  // namespace
}  // namespace squall::shm
