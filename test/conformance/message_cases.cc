// Messages: reliable, ordered per lane, bounded; and what a full queue does.
#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <fstream>
#include <map>

#include "test/conformance/child.h"
#include "test/conformance/world.h"

namespace squall::conformance {
namespace {

std::vector<std::size_t> sizes_up_to(std::size_t most) {
  std::vector<std::size_t> sizes;
  for (const std::size_t size : {0u, 1u, 7u, 8u, 64u, 255u, 256u, 257u, 1000u, 4095u, 4096u, 4097u,
                                 65535u, 65536u, 65537u, 1048576u})
    if (size < most - 1) sizes.push_back(size);
  sizes.push_back(most - 1);
  sizes.push_back(most);
  return sizes;
}

// Sends when there is room, turning the world meanwhile.
void send_soon(World& world, Node& node, PeerId peer, Lane lane, const std::string& message,
               Token token = fabric::no_token) {
  const bool sent = world.until([&] {
    const auto result = node->send(peer, lane, as_bytes(message), token);
    if (!result && result.error().code != Code::would_block) broken(result.error().text());
    return result.has_value();
  });
  expect(sent, "there is room for the message in time");
}

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * 4096;
}

TEST_CASE("messages of every size from 0 to the largest arrive whole, in order on each lane") {
  const auto world = subject().make_world();
  Node& a = world->add("a");
  Node& b = world->add("b");
  const Pair pair = connect(*world, a, b);
  std::uint64_t number = 0;
  std::vector<std::string> sent[2];
  for (int round = 0; round < 3; ++round)
    for (const std::size_t size : sizes_up_to(a->capabilities().max_message_bytes))
      for (const Lane lane : {Lane::urgent, Lane::bulk}) {
        auto& mine = sent[static_cast<int>(lane)];
        mine.push_back(content(++number, size));
        // Every source lives until the end, so no token is needed.
        send_soon(*world, a, pair.first_to_second, lane, mine.back(), number);
      }
  CHECK(world->until([&] { return b.count(Kind::message) == number; }));
  std::size_t next[2] = {0, 0};
  for (const Seen& event : b.seen) {
    if (event.kind != Kind::message) continue;
    auto& at = next[static_cast<int>(event.lane)];
    REQUIRE(at < sent[static_cast<int>(event.lane)].size());
    CHECK(event.bytes == sent[static_cast<int>(event.lane)][at]);
    CHECK(event.peer == pair.second_to_first);
    ++at;
  }
}

TEST_CASE("a quiet message keeps its place in its lane, and comes without another behind it") {
  const auto world = subject().make_world();
  Node& a = world->add("a");
  Node& b = world->add("b");
  const Pair pair = connect(*world, a, b);
  for (std::uint64_t number = 1; number <= 9; ++number) {
    const std::string message = content(number, 40 + number % 3);
    if (number % 3 == 2)
      must(a->send(pair.first_to_second, Lane::urgent, as_bytes(message)), "send");
    else
      must(a->send_quietly(pair.first_to_second, Lane::urgent, as_bytes(message)), "send_quietly");
  }
  REQUIRE(world->until([&] { return b.count(Kind::message) == 9; }));
  std::uint64_t next = 0;
  for (const Seen& event : b.seen)
    if (event.kind == Kind::message) {
      ++next;
      CHECK(event.bytes == content(next, 40 + next % 3));
    }
}

TEST_CASE("a message over the largest is too_large, and the connection lives on") {
  const auto world = subject().make_world();
  Node& a = world->add("a");
  Node& b = world->add("b");
  const Pair pair = connect(*world, a, b);
  const std::string over(a->capabilities().max_message_bytes + 1, 'x');
  const auto refused = a->send(pair.first_to_second, Lane::bulk, as_bytes(over), 5);
  REQUIRE(!refused);
  CHECK(refused.error().code == Code::too_large);
  must(a->send(pair.first_to_second, Lane::bulk, as_bytes("after")), "send");
  CHECK(world->until([&] { return b.count(Kind::message) == 1; }));
  world->pass_time(20ms);
  CHECK(b.count(Kind::message) == 1);
  CHECK(a.count(Kind::completed) == 0);
}

TEST_CASE("every token comes back once and ok, token 0 never, and then its source is free") {
  const auto world = subject().make_world();
  Node& a = world->add("a");
  Node& b = world->add("b");
  const Pair pair = connect(*world, a, b);
  std::map<Token, std::string> sources;
  std::map<Token, int> returned;
  a.on_event = [&](const Event& event) {
    if (event.kind != Kind::completed) return;
    CHECK(event.ok);
    ++returned[event.token];
    // What may be reused is reused at once: the peer must not see this.
    for (char& byte : sources[event.token]) byte = '!';
  };
  std::vector<std::string> expected;
  for (Token token = 1; token <= 200; ++token) {
    const Lane lane = token % 2 == 0 ? Lane::urgent : Lane::bulk;
    const std::size_t most = a->capabilities().max_message_bytes;
    sources[token] = content(token, std::min<std::size_t>(most, token * 331));
    expected.push_back(sources[token]);
    send_soon(*world, a, pair.first_to_second, lane, sources[token], token);
    send_soon(*world, a, pair.first_to_second, lane, "no token");
  }
  CHECK(world->until([&] { return returned.size() == 200 && b.count(Kind::message) == 400; }));
  world->pass_time(20ms);
  CHECK(returned.size() == 200);
  for (const auto& [token, times] : returned) {
    CHECK(token >= 1);
    CHECK(times == 1);
  }
  std::size_t at[2] = {1, 0};  // bulk has the odd tokens: expected[0], [2], ...
  for (const Seen& event : b.seen) {
    if (event.kind != Kind::message || event.bytes == "no token") continue;
    std::size_t& next = at[static_cast<int>(event.lane)];
    REQUIRE(next < expected.size());
    CHECK(event.bytes == expected[next]);
    next += 2;
  }
}

TEST_CASE("a message within inline_bytes is copied when it is queued") {
  const auto world = subject().make_world();
  Node& a = world->add("a");
  Node& b = world->add("b");
  const Pair pair = connect(*world, a, b);
  std::string buffer;
  for (int i = 0; i < 20; ++i) {
    buffer = content(i, a->capabilities().inline_bytes);
    send_soon(*world, a, pair.first_to_second, Lane::urgent, buffer);
    std::ranges::fill(buffer, '!');
  }
  CHECK(world->until([&] { return b.count(Kind::message) == 20; }));
  std::uint64_t number = 0;
  for (const Seen& event : b.seen)
    if (event.kind == Kind::message)
      CHECK(event.bytes == content(number++, a->capabilities().inline_bytes));
}

TEST_CASE("a full lane says would_block, takes bounded memory, and drains in order") {
  const auto world = subject().make_world();
  Node& a = world->add("a");
  Node& b = world->add("b");
  const Pair pair = connect(*world, a, b);
  // A slow receiver: only the sender turns, for as long as it takes to fill what is between them.
  constexpr std::size_t size = 4096, most_in_flight = 64 << 20;
  const std::size_t before = resident_bytes();
  for (const Lane lane : {Lane::bulk, Lane::urgent}) {
    std::deque<std::string> sources;  // addresses stay as it grows
    bool full = false;
    for (std::uint64_t number = 0; number * size < most_in_flight && !full; ++number) {
      sources.push_back(content(number, size));
      for (int tries = 0; tries < 1000; ++tries) {
        a.turn();
        const auto sent =
            timed([&] { return a->send(pair.first_to_second, lane, as_bytes(sources.back()), 1); });
        full = !sent;
        if (sent) break;
        CHECK(sent.error().code == Code::would_block);
      }
    }
    CHECK_MESSAGE(full, "64 MiB wait for a peer that does not turn, and there is no end");
    const std::size_t queued = sources.size() - (full ? 1 : 0);
    CHECK(queued > 0);
    b.seen.clear();
    b.seen.reserve(queued);
    CHECK(world->until([&] { return b.count(Kind::message) == queued; }));
    std::uint64_t number = 0;
    for (const Seen& event : b.seen)
      if (event.kind == Kind::message) REQUIRE(event.bytes == content(number++, size));
    // And there is room again.
    send_soon(*world, a, pair.first_to_second, lane, "room");
    CHECK(world->until([&] { return b.count(Kind::message) == queued + 1; }));
  }
  CHECK(resident_bytes() < before + 4 * most_in_flight);
}

TEST_CASE("both directions at once, both lanes full, lose nothing") {
  const auto world = subject().make_world();
  Node* nodes[] = {&world->add("a"), &world->add("b")};
  const Pair pair = connect(*world, *nodes[0], *nodes[1]);
  const PeerId peers[] = {pair.first_to_second, pair.second_to_first};
  constexpr std::uint64_t count = 5000;
  std::uint64_t sent[2][2] = {}, received[2][2] = {};
  for (int side = 0; side < 2; ++side)
    nodes[side]->on_event = [&, side](const Event& event) {
      if (event.kind != Kind::message) return;
      auto& next = received[side][static_cast<int>(event.lane)];
      if (as_text(event.bytes) != content(next, 8 + next % 200)) broken("a message out of order");
      ++next;
    };
  CHECK(world->until(
      [&] {
        bool done = true;
        for (int side = 0; side < 2; ++side)
          for (const Lane lane : {Lane::urgent, Lane::bulk}) {
            auto& mine = sent[side][static_cast<int>(lane)];
            for (; mine < count; ++mine)
              if (!(*nodes[side])->send(peers[side], lane, as_bytes(content(mine, 8 + mine % 200))))
                break;
            done = done && received[side][static_cast<int>(lane)] == count;
          }
        return done;
      },
      3 * patience));
}

}  // namespace
}  // namespace squall::conformance
