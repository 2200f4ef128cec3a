// Large objects between nodes of one process, over real fabrics.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "groups/node_test_kit.h"

namespace squall {
namespace {

constexpr std::size_t mib = std::size_t{1} << 20;

/// What objects hold, over and over, each from a place of its own. Its length is prime, so that no
/// two blocks of an object are alike.
const std::vector<std::byte>& pattern() {
  static const std::vector<std::byte> bytes = [] {
    std::vector<std::byte> made(65'521);
    for (std::size_t at = 0; at < made.size(); ++at)
      made[at] = static_cast<std::byte>(at * 7 + (at >> 8));
    return made;
  }();
  return bytes;
}

/// The bytes piece by piece, each with what it should be.
bool all_pieces(auto bytes, std::uint64_t seed, auto each) {
  for (std::size_t from = seed * 131 % pattern().size(); !bytes.empty(); from = 0) {
    const Bytes right =
        Bytes(pattern()).subspan(from, std::min(bytes.size(), pattern().size() - from));
    if (!each(bytes.first(right.size()), right)) return false;
    bytes = bytes.subspan(right.size());
  }
  return true;
}

void fill(MutableBytes bytes, std::uint64_t seed) {
  all_pieces(bytes, seed, [](MutableBytes piece, Bytes right) {
    std::memcpy(piece.data(), right.data(), right.size());
    return true;
  });
}

bool filled(Bytes bytes, std::uint64_t seed) {
  return all_pieces(bytes, seed, [](Bytes piece, Bytes right) {
    return std::memcmp(piece.data(), right.data(), right.size()) == 0;
  });
}

struct Got {
  Rank sender = 0;
  MessageNumber number = 0;
  std::size_t bytes = 0;
  bool right = false;
  friend bool operator==(const Got&, const Got&) = default;
};

/// Members that are turned by the test, one after the other.
struct Members {
  Members(std::size_t count, const std::string& fabric, auto change) {
    auto configs = make_configs(count, fabric);
    for (Config& config : configs) {
      change(config.groups[0]);
      // Looking at every byte of an object takes its time under sanitizers.
      config.failure_timeout = std::chrono::seconds(20);
    }
    nodes = start_all(configs);
    got.resize(count);
    for (std::size_t member = 0; member < count; ++member) {
      REQUIRE_MESSAGE(nodes[member], nodes[member].error().text());
      group(member).on_deliver([this, member](const Delivery& message) {
        // Each sender numbers what it sends, which is what its objects are filled by.
        got[member].push_back({message.sender, message.number, message.bytes.size(),
                               filled(message.bytes, message.sender * 1000 + message.number)});
      });
    }
  }
  Group& group(std::size_t member) { return *(*nodes[member])->group("test"); }
  bool turn() {
    bool worked = false;
    for (auto& node : nodes) worked |= (*node)->poll();
    return worked;
  }
  template <class Done>
  bool until(Done done) {
    const Time limit = Monotonic::now() + std::chrono::seconds(120);
    while (!done() && Monotonic::now() < limit)
      if (!turn()) std::this_thread::yield();
    return done();
  }
  bool all_have(std::size_t count) {
    return std::ranges::all_of(got, [&](const auto& each) { return each.size() == count; });
  }

  std::vector<Result<std::unique_ptr<Node>>> nodes;
  std::vector<std::vector<Got>> got;
};

const std::array fabrics{"shm", "tcp", "ofi:tcp;ofi_rxm"};

TEST_CASE("objects of all sizes, from buffers and from bytes, between messages, at every member") {
  for (const char* fabric : fabrics)
    for (const std::size_t members : {1u, 2u, 3u}) {
      CAPTURE(fabric);
      CAPTURE(members);
      Members world(members, fabric, [](GroupConfig& group) {
        group.ring_bytes = 4096;
        group.block_bytes = 4096;
        group.large_memory = 4 * mib;
      });
      const std::array<std::size_t, 9> sizes{0,    1,      100,          1008,   1009,
                                             4096, 10'000, 3 * mib + 17, 200'000};
      // Sent by all of them, each in the order of `sizes`, as there is room.
      std::vector<std::size_t> sent(members, 0);
      REQUIRE(world.until([&] {
        for (std::size_t member = 0; member < members; ++member) {
          if (sent[member] == sizes.size()) continue;
          const std::size_t bytes = sizes[sent[member]];
          Group& group = world.group(member);
          const std::uint64_t seed = member * 1000 + sent[member];
          if (sent[member] % 2 == 0) {
            auto object = group.try_buffer(bytes);
            if (!object) continue;
            fill(object->bytes(), seed);
            sent[member] += group.try_send(*object).has_value();
          } else {
            std::vector<std::byte> message(bytes);
            fill(message, seed);
            sent[member] += group.try_send(message).has_value();
          }
        }
        return world.all_have(sizes.size() * members);
      }));
      for (const auto& got : world.got) {
        CHECK(got == world.got[0]);
        std::vector<std::size_t> next(members, 0);
        for (const Got& each : got) {
          CHECK(each.right);
          CHECK(each.bytes == sizes[next[each.sender]++]);
        }
      }
      shut_down_all(world.nodes);
    }
}

TEST_CASE("a buffer comes back when all have consumed, and until then there is no room for more") {
  for (const char* fabric : fabrics) {
    CAPTURE(fabric);
    Members world(2, fabric, [](GroupConfig& group) { group.large_memory = 2 * mib; });
    Group& group = world.group(0);
    const std::byte* first = nullptr;
    for (std::uint64_t object = 0; object < 20; ++object) {
      Buffer buffer;
      REQUIRE(world.until([&] {
        auto taken = group.try_buffer(mib + 1);
        if (taken) buffer = std::move(*taken);
        return static_cast<bool>(buffer);
      }));
      if (first == nullptr) first = buffer.bytes().data();
      CHECK(buffer.bytes().data() == first);
      fill(buffer.bytes(), object);
      REQUIRE(group.try_send(buffer));
      CHECK(group.try_buffer(mib + 1).error().code == Code::would_block);
    }
    REQUIRE(world.until([&] { return world.all_have(20); }));
    CHECK(std::ranges::all_of(world.got[1], &Got::right));
    shut_down_all(world.nodes);
  }
}

TEST_CASE("where memory is mapped, a member reads what the sender has written, where it lies") {
  Members world(2, "shm", [](GroupConfig& group) { group.large_memory = mib; });
  const std::byte* seen = nullptr;
  world.group(1).on_deliver([&](const Delivery& message) { seen = message.bytes.data(); });
  std::vector<const std::byte*> places;
  for (std::uint64_t object = 0; object < 3; ++object) {
    auto buffer = world.group(0).try_buffer(mib);
    REQUIRE(buffer);
    REQUIRE(world.group(0).try_send(*buffer));
    seen = nullptr;
    REQUIRE(world.until([&] { return seen != nullptr && world.group(0).try_buffer(mib); }));
    places.push_back(seen);
  }
  CHECK(places[1] == places[0]);
  CHECK(places[2] == places[0]);
  shut_down_all(world.nodes);
}

TEST_CASE("threads send objects while others send messages; each thread's order holds") {
  for (const char* fabric : {"shm", "tcp"}) {
    CAPTURE(fabric);
    auto configs = make_configs(2, fabric);
    for (Config& config : configs) {
      config.engine_thread = true;
      config.failure_timeout = std::chrono::seconds(20);
      config.groups[0].ring_bytes = 1 << 14;
      config.groups[0].large_memory = mib;
    }
    auto nodes = start_all(configs);
    for (auto& node : nodes) REQUIRE_MESSAGE(node, node.error().text());
    constexpr std::uint32_t threads = 3, each = 60;
    std::atomic<std::uint32_t> left{2 * threads * each};
    std::atomic<bool> wrong{false};
    std::vector<std::map<std::uint32_t, std::uint32_t>> next(2);
    for (std::size_t member = 0; member < 2; ++member)
      (*nodes[member])->group("test")->on_deliver([&, member](const Delivery& message) {
        std::uint32_t head[2];
        std::memcpy(head, message.bytes.data(), sizeof head);
        wrong = wrong || next[member][head[0]]++ != head[1] ||
                !std::ranges::all_of(message.bytes.subspan(sizeof head),
                                     [&](std::byte b) { return b == std::byte(head[1]); });
        --left;
      });
    std::vector<std::thread> running;
    for (std::uint32_t thread = 0; thread < threads; ++thread)
      running.emplace_back([&, thread] {
        Group& group = *(*nodes[0])->group("test");
        for (std::uint32_t number = 0; number < each; ++number) {
          const std::uint32_t head[2] = {thread, number};
          const std::size_t bytes = number % 3 == 0 ? 100'000 + number : sizeof head + number;
          std::vector<std::byte> message(bytes, std::byte(number));
          std::memcpy(message.data(), head, sizeof head);
          const auto sent = group.send(message);
          CHECK_MESSAGE(sent, (sent ? "" : sent.error().text()));
        }
      });
    for (std::thread& thread : running) thread.join();
    for (const Time limit = soon(); left != 0 && Monotonic::now() < limit;)
      std::this_thread::yield();
    CHECK(left == 0);
    CHECK_FALSE(wrong);
    shut_down_all(nodes);
  }
}

TEST_CASE("what cannot be sent says why, and the buffer stays the caller's") {
  Members world(2, "shm", [](GroupConfig& group) {
    group.senders = {"a"};
    group.large_memory = mib;
  });
  CHECK(world.group(0).try_buffer(mib + 1).error().code == Code::too_large);
  const auto no_sender = world.group(1).try_buffer(10);
  REQUIRE_FALSE(no_sender);
  CHECK(no_sender.error().code == Code::invalid);
  auto kept = world.group(0).try_buffer(10);
  REQUIRE(kept);
  shut_down_all(world.nodes);
  CHECK(world.group(0).try_send(*kept).error().code == Code::closed);
  CHECK(kept->size() == 10);
  CHECK(world.group(0).try_buffer(10).error().code == Code::closed);
}

}  // namespace
}  // namespace squall
