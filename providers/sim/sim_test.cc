// The simulated fabric against hand-computed times, and under each fault.

#include "providers/sim/sim.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/random.h"
#include "core/fabric/memory.h"
#include "doctest/doctest.h"

namespace squall::sim {
namespace {

using fabric::Event;
using fabric::Lane;
using fabric::Memory;
using fabric::PeerId;
using fabric::RegionId;
using Kind = fabric::Event::Kind;

constexpr fabric::Ticket ticket{std::byte{7}};
constexpr RegionId region{42};

Time after(Duration duration) {
  return Time{} + duration;
}

/// An event with what it points to.
struct Seen {
  Kind kind{};
  bool ok{};
  Lane lane{};
  PeerId peer{};
  RegionId region{};
  fabric::Token token{};
  std::string text;
};

std::vector<Seen> poll(fabric::Fabric& fabric, std::size_t room = 16) {
  std::vector<Seen> seen;
  std::vector<Event> events(room);
  for (std::size_t count = room; count == room;) {
    count = fabric.poll(events);
    for (std::size_t i = 0; i < count; ++i) {
      const Event& event = events[i];
      seen.push_back({event.kind, event.ok, event.lane, event.peer, event.region, event.token,
                      std::string(event.kind == Kind::lost ? event.text : as_text(event.bytes))});
    }
  }
  return seen;
}

std::vector<std::string> messages(const std::vector<Seen>& seen) {
  std::vector<std::string> texts;
  for (const Seen& event : seen)
    if (event.kind == Kind::message) texts.push_back(event.text);
  return texts;
}

std::uint64_t word(const std::byte* at) {
  std::uint64_t value = 0;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

/// Nothing costs time but what a test sets: 1 byte a microsecond, 100 us of latency, no headers.
Options plain() {
  Options options;
  options.latency = 100us;
  options.bandwidth_bytes_per_s = 1'000'000;
  options.header_bytes = 0;
  return options;
}

/// Two connected nodes at time 1 ms, with nothing left to poll.
struct Pair {
  explicit Pair(const Options& options = plain())
      : network(options), a(network.open("a")), b(network.open("b")) {
    to_b = a->connect(b->address(), ticket).value();
    to_a = b->connect(a->address(), ticket).value();
    network.run_until(after(1ms));
    REQUIRE(poll(*a).size() == 1);
    REQUIRE(poll(*b).size() == 1);
  }
  /// b's replica of the first `bytes` of a page that a exposes; both settle until 2 ms.
  const std::byte* share(std::size_t bytes = 4096) {
    memory = Memory::create(bytes).value();
    REQUIRE(a->expose(region, memory));
    const std::byte* replica = b->import(to_a, region, bytes).value();
    network.run_until(after(2ms));
    REQUIRE(poll(*a).at(0).kind == Kind::attached);
    return replica;
  }
  void put(std::size_t offset, std::uint64_t value) {
    std::memcpy(memory.data() + offset, &value, sizeof(value));
  }

  Network network;
  std::unique_ptr<fabric::Fabric> a, b;
  PeerId to_b{}, to_a{};
  Memory memory;
};

TEST_CASE("both ends that bring the ticket are connected after the latency, in any order") {
  Network network(plain());
  const auto a = network.open("a");
  const auto b = network.open("b");
  const PeerId to_b = a->connect("b", ticket).value();
  network.run_until(after(10ms));
  CHECK(poll(*a).empty());
  CHECK(poll(*b).empty());
  const PeerId to_a = b->connect("a", ticket).value();
  auto seen = poll(*b);  // a's greeting was there already
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].kind == Kind::connected);
  CHECK(seen[0].peer == to_a);
  network.run_until(after(10ms + 100us - 1ns));
  CHECK(poll(*a).empty());
  network.run_until(after(10ms + 100us));
  seen = poll(*a);
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].kind == Kind::connected);
  CHECK(seen[0].peer == to_b);
}

TEST_CASE("a peer may open its endpoint after it is dialled") {
  Network network(plain());
  const auto a = network.open("a");
  REQUIRE(a->connect("late", ticket));
  network.run_until(after(1s));
  const auto late = network.open("late");
  REQUIRE(late->connect("a", ticket));
  network.run_until(after(2s));
  CHECK(poll(*a).at(0).kind == Kind::connected);
  CHECK(poll(*late).at(0).kind == Kind::connected);
}

TEST_CASE("a wrong ticket connects nobody: both are lost after the timeout") {
  Network network(plain());
  const auto a = network.open("a");
  const auto b = network.open("b");
  REQUIRE(a->connect("b", ticket));
  REQUIRE(b->connect("a", fabric::Ticket{std::byte{8}}));
  network.run_until(after(5s - 1ns));
  CHECK(poll(*a).empty());
  CHECK(poll(*b).empty());
  network.run_until(after(5s));
  for (const auto* fabric : {&a, &b}) {
    const auto seen = poll(**fabric);
    REQUIRE(seen.size() == 1);
    CHECK(seen[0].kind == Kind::lost);
    CHECK(seen[0].text == "never came");
  }
}

TEST_CASE("arrival is queueing, then bytes over bandwidth, then latency") {
  Pair pair;
  const std::string fifty(50, 'x');
  REQUIRE(pair.a->send(pair.to_b, Lane::urgent, as_bytes(fifty), 5));
  REQUIRE(pair.a->send(pair.to_b, Lane::urgent, as_bytes("two bytes"), 6));
  pair.a->flush();
  // 1000 + 50 + 100 us; the second waits for the first and needs 9 us more.
  pair.network.run_until(after(1150us - 1ns));
  CHECK(poll(*pair.b).empty());
  CHECK_FALSE(pair.b->progressed());
  pair.network.run_until(after(1150us));
  CHECK(messages(poll(*pair.b)) == std::vector<std::string>{fifty});
  CHECK(pair.b->progressed());
  pair.network.run_until(after(1159us - 1ns));
  CHECK(poll(*pair.b).empty());
  pair.network.run_until(after(1159us));
  CHECK(messages(poll(*pair.b)) == std::vector<std::string>{"two bytes"});
}

TEST_CASE("headers count, time is rounded up, and 0 bytes per second is unlimited") {
  Options options = plain();
  options.header_bytes = 10;
  options.bandwidth_bytes_per_s = 3'000'000'000;
  Pair pair(options);
  REQUIRE(pair.a->send(pair.to_b, Lane::urgent, as_bytes("x")));
  pair.a->flush();
  pair.network.run_until(after(1100us + 3ns));  // 11 bytes at 3 bytes/ns are 3.67 ns
  CHECK(poll(*pair.b).empty());
  pair.network.run_until(after(1100us + 4ns));
  CHECK(poll(*pair.b).size() == 1);

  options.bandwidth_bytes_per_s = 0;
  Pair fast(options);
  REQUIRE(fast.a->send(fast.to_b, Lane::bulk, as_bytes(std::string(100'000, 'x'))));
  fast.a->flush();
  fast.network.run_until(after(1100us));
  CHECK(poll(*fast.b).size() == 1);
}

TEST_CASE("a token comes back when its bytes have left, not before") {
  Pair pair;
  REQUIRE(pair.a->send(pair.to_b, Lane::urgent, as_bytes(std::string(50, 'x')), 5));
  pair.a->flush();
  pair.network.run_until(after(1050us - 1ns));
  CHECK(poll(*pair.a).empty());
  pair.network.run_until(after(1050us));
  const auto seen = poll(*pair.a);
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].kind == Kind::completed);
  CHECK(seen[0].token == 5);
  CHECK(seen[0].ok);
}

TEST_CASE("an urgent packet waits for one slice of bulk at most") {
  Options options = plain();
  options.slice_bytes = 100;
  Pair pair(options);
  REQUIRE(pair.a->send(pair.to_b, Lane::bulk, as_bytes(std::string(1000, 'b'))));
  pair.a->flush();
  pair.network.run_until(after(1001us));
  REQUIRE(pair.a->send(pair.to_b, Lane::urgent, as_bytes("0123456789")));
  pair.a->flush();
  pair.network.run_until(after(1210us - 1ns));
  CHECK(poll(*pair.b).empty());
  pair.network.run_until(after(1210us));  // 1000 + a slice of 100 + 10 + 100 us
  CHECK(messages(poll(*pair.b)) == std::vector<std::string>{"0123456789"});
  pair.network.run_until(after(2110us - 1ns));
  CHECK(poll(*pair.b).empty());
  pair.network.run_until(after(2110us));
  CHECK(messages(poll(*pair.b)).size() == 1);
}

TEST_CASE("with jitter, order holds within a lane, and lanes are independent") {
  Options options = plain();
  options.bandwidth_bytes_per_s = 0;
  options.jitter = 800us;
  Pair pair(options);
  std::vector<std::string> lanes[2];
  for (int i = 0; i < 200; ++i) {
    const std::string text = std::to_string(i);
    lanes[i % 2].push_back(text);
    REQUIRE(pair.a->send(pair.to_b, Lane(i % 2), as_bytes(text)));
    pair.a->flush();
    pair.network.run_until(pair.network.now() + 10us);
  }
  pair.network.run_until(pair.network.now() + 5ms);
  std::vector<std::string> got[2], all;
  for (const Seen& event : poll(*pair.b)) {
    got[static_cast<int>(event.lane)].push_back(event.text);
    all.push_back(event.text);
  }
  CHECK(got[0] == lanes[0]);
  CHECK(got[1] == lanes[1]);
  std::vector<std::string> issued(200);
  for (int i = 0; i < 200; ++i) issued[static_cast<std::size_t>(i)] = std::to_string(i);
  CHECK(all != issued);
}

TEST_CASE("what was pushed before a counter is there when the counter is") {
  Options options = plain();
  options.bandwidth_bytes_per_s = 0;
  options.jitter = 800us;
  Pair pair(options);
  const std::byte* replica = pair.share();
  std::uint64_t seen = 0;
  std::size_t values = 0;
  for (std::uint64_t value = 1; value <= 300; ++value) {
    pair.put(1024, value);
    REQUIRE(pair.a->push(region, 512, 1024, Lane::urgent));
    pair.put(0, value);
    REQUIRE(pair.a->push(region, 0, 8, Lane::urgent));
    pair.a->flush();
    pair.network.run_until(pair.network.now() + 50us);
    poll(*pair.b);
    CHECK(word(replica + 1024) >= word(replica));
    CHECK(word(replica) >= seen);
    values += word(replica) > seen ? 1 : 0;
    seen = word(replica);
  }
  CHECK(values > 10);
  pair.network.run_until(pair.network.now() + 2ms);
  poll(*pair.b);
  CHECK(word(replica) == 300);
}

TEST_CASE("nothing lands before the receiver polls") {
  Pair pair;
  const std::byte* replica = pair.share();
  pair.put(0, 9);
  REQUIRE(pair.a->push(region, 0, 8, Lane::urgent));
  pair.a->flush();
  pair.network.run_until(after(1s));
  CHECK(word(replica) == 0);
  poll(*pair.b);
  CHECK(word(replica) == 9);
}

TEST_CASE("short pushes are copied when queued, long ones when flushed") {
  Pair pair;
  const std::byte* replica = pair.share(8192);
  pair.put(0, 1);
  pair.put(4096, 1);
  REQUIRE(pair.a->push(region, 0, 256, Lane::urgent));
  REQUIRE(pair.a->push(region, 4096, 257, Lane::urgent));
  pair.put(0, 2);
  pair.put(4096, 2);
  pair.network.run_until(after(1s));
  poll(*pair.b);
  CHECK(word(replica) == 0);  // nothing leaves without a flush
  pair.a->flush();
  pair.put(0, 3);
  pair.put(4096, 3);
  pair.network.run_until(after(2s));
  poll(*pair.b);
  CHECK(word(replica) == 1);
  CHECK(word(replica + 4096) == 2);
}

TEST_CASE("an import before the expose is served by it, and sees the bytes that it asked for") {
  Pair pair;
  const std::byte* replica = pair.b->import(pair.to_a, region, 16).value();
  CHECK(reinterpret_cast<std::uintptr_t>(replica) % 4096 == 0);
  CHECK(word(replica) == 0);
  CHECK(pair.b->import(pair.to_a, region, 16).error().code == Code::invalid);
  pair.network.run_until(after(2ms));
  CHECK(poll(*pair.a).empty());
  pair.memory = Memory::create(4096).value();
  REQUIRE(pair.a->expose(region, pair.memory));
  const auto seen = poll(*pair.a);
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].kind == Kind::attached);
  CHECK(seen[0].peer == pair.to_b);
  CHECK(seen[0].region == region);
  pair.put(8, 77);
  REQUIRE(pair.a->push_to(pair.to_b, region, 0, 4096, Lane::bulk, 3));
  pair.a->flush();
  pair.network.run_until(after(3ms));
  poll(*pair.b);
  CHECK(word(replica + 8) == 77);
  CHECK(poll(*pair.a).at(0).token == 3);
}

TEST_CASE("an import may be asked for before the peers are connected") {
  Network network(plain());
  const auto a = network.open("a");
  const auto b = network.open("b");
  auto memory = Memory::create(4096).value();
  REQUIRE(a->expose(region, memory));
  REQUIRE(a->connect("b", ticket));
  const PeerId to_a = b->connect("a", ticket).value();
  REQUIRE(b->import(to_a, region, 4096));
  CHECK(b->send(to_a, Lane::urgent, as_bytes("x")).error().code == Code::would_block);
  network.run_until(after(1ms));
  poll(*b);
  network.run_until(after(2ms));
  const auto seen = poll(*a);
  REQUIRE(seen.size() == 2);
  CHECK(seen[0].kind == Kind::connected);
  CHECK(seen[1].kind == Kind::attached);
}

TEST_CASE("out of bounds is refused, and an import beyond the region loses the peer at both ends") {
  Pair pair;
  pair.share(4096);
  constexpr auto huge = ~std::size_t{0};
  CHECK(pair.a->push(region, 0, 4097, Lane::urgent).error().code == Code::invalid);
  CHECK(pair.a->push(region, 4097, 0, Lane::urgent).error().code == Code::invalid);
  CHECK(pair.a->push(region, 8, huge, Lane::urgent).error().code == Code::invalid);
  CHECK(pair.a->push(region, huge, 8, Lane::urgent).error().code == Code::invalid);
  CHECK(pair.a->push(RegionId{1}, 0, 8, Lane::urgent).error().code == Code::invalid);
  CHECK(pair.a->push(region, 4096, 0, Lane::urgent));
  CHECK(pair.b->import(pair.to_a, RegionId{1}, 0).error().code == Code::invalid);
  pair.a->flush();

  auto other = Memory::create(4096).value();
  REQUIRE(pair.a->expose(RegionId{43}, other));
  REQUIRE(pair.b->import(pair.to_a, RegionId{43}, 4097));
  pair.network.run_until(after(3ms));
  auto seen = poll(*pair.a);
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].kind == Kind::lost);
  CHECK(seen[0].text.find("4097") != std::string::npos);
  pair.network.run_until(after(4ms));
  seen = poll(*pair.b);
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].kind == Kind::lost);
}

TEST_CASE("a concealed region keeps what was pushed, refuses more, and its name is used up") {
  Pair pair;
  const std::byte* replica = pair.share(4096);
  pair.put(0, 5);
  REQUIRE(pair.a->push(region, 0, 4096, Lane::urgent));
  pair.a->conceal(region);
  pair.put(0, 6);
  CHECK(pair.a->push(region, 0, 8, Lane::urgent).error().code == Code::invalid);
  CHECK(pair.a->expose(region, pair.memory).error().code == Code::invalid);
  pair.memory = Memory();
  pair.a->flush();
  pair.network.run_until(after(1s));
  poll(*pair.b);
  CHECK(word(replica) == 5);
}

TEST_CASE("a message has a limit, and a lane is full until the peer lands what is in it") {
  Options options = plain();
  options.max_message_bytes = 100;
  options.lane_bytes = 250;
  Pair pair(options);
  const std::string hundred(100, 'x');
  CHECK(pair.a->send(pair.to_b, Lane::bulk, as_bytes(hundred + "x")).error().code ==
        Code::too_large);
  REQUIRE(pair.a->send(pair.to_b, Lane::bulk, as_bytes(hundred)));
  REQUIRE(pair.a->send(pair.to_b, Lane::bulk, as_bytes(hundred)));
  CHECK(pair.a->send(pair.to_b, Lane::bulk, as_bytes(hundred)).error().code == Code::would_block);
  CHECK(pair.a->send(pair.to_b, Lane::urgent, as_bytes(hundred)));
  pair.a->flush();
  pair.network.run_until(after(1s));
  CHECK(pair.a->send(pair.to_b, Lane::bulk, as_bytes(hundred)).error().code == Code::would_block);
  CHECK(messages(poll(*pair.b)).size() == 3);
  CHECK(pair.a->send(pair.to_b, Lane::bulk, as_bytes(hundred)));
}

TEST_CASE("events beyond the room that a poll gives come with the next ones") {
  Pair pair;
  for (int i = 0; i < 10; ++i)
    REQUIRE(pair.a->send(pair.to_b, Lane::urgent, as_bytes(std::to_string(i))));
  pair.a->flush();
  pair.network.run_until(after(1s));
  CHECK(pair.b->poll({}) == 0);
  const auto seen = poll(*pair.b, 3);
  CHECK(messages(seen) ==
        std::vector<std::string>{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"});
}

TEST_CASE("a cut stops one direction, and healing brings what waited, in order") {
  Pair pair;
  pair.network.cut("a", "b");
  for (const char* text : {"1", "2", "3"})
    REQUIRE(pair.a->send(pair.to_b, Lane::urgent, as_bytes(text), 9));
  REQUIRE(pair.b->send(pair.to_a, Lane::urgent, as_bytes("back")));
  pair.a->flush();
  pair.b->flush();
  pair.network.run_until(after(10s));
  CHECK(poll(*pair.b).empty());
  const auto seen = poll(*pair.a);
  REQUIRE(seen.size() == 1);  // no token either
  CHECK(seen[0].text == "back");
  pair.network.heal("a", "b");
  pair.network.run_until(after(10s + 101us));  // one byte each
  CHECK(messages(poll(*pair.b)) == std::vector<std::string>{"1"});
  pair.network.run_until(after(11s));
  CHECK(messages(poll(*pair.b)) == std::vector<std::string>{"2", "3"});
}

TEST_CASE("what is being sent when the link is cut is sent again from its start") {
  Pair pair;
  REQUIRE(pair.a->send(pair.to_b, Lane::urgent, as_bytes(std::string(50, 'x'))));
  pair.a->flush();
  pair.network.run_until(after(1025us));
  pair.network.cut("a", "b");
  pair.network.run_until(after(2s));
  CHECK(poll(*pair.b).empty());
  pair.network.heal("a", "b");
  pair.network.run_until(after(2s + 150us - 1ns));
  CHECK(poll(*pair.b).empty());
  pair.network.run_until(after(2s + 150us));
  CHECK(messages(poll(*pair.b)).size() == 1);
}

TEST_CASE("an extra delay of a link is added to what leaves while it lasts, and keeps the order") {
  Pair pair;
  pair.network.delay("a", "b", 3ms);
  REQUIRE(pair.a->send(pair.to_b, Lane::urgent, as_bytes("1")));
  pair.a->flush();
  pair.network.run_until(after(2ms));
  pair.network.delay("a", "b", 0ms);
  REQUIRE(pair.a->send(pair.to_b, Lane::urgent, as_bytes("2")));
  pair.a->flush();
  pair.network.run_until(after(1ms + 1us + 100us + 3ms - 1ns));
  CHECK(poll(*pair.b).empty());
  pair.network.run_until(after(1ms + 1us + 100us + 3ms));
  CHECK(messages(poll(*pair.b)) == std::vector<std::string>{"1", "2"});
}

TEST_CASE("a slow node sees each arrival late by its lag, and still in order") {
  Pair pair;
  pair.network.slow("b", 5ms);
  REQUIRE(pair.a->send(pair.to_b, Lane::urgent, as_bytes("1")));
  pair.a->flush();
  pair.network.run_until(after(6101us - 1ns));
  CHECK(poll(*pair.b).empty());
  pair.network.slow("b", 0ms);
  REQUIRE(pair.a->send(pair.to_b, Lane::urgent, as_bytes("2")));
  pair.a->flush();
  pair.network.run_until(after(6101us));
  CHECK(messages(poll(*pair.b)) == std::vector<std::string>{"1"});
  pair.network.run_until(after(7ms));
  CHECK(messages(poll(*pair.b)) == std::vector<std::string>{"2"});
}

TEST_CASE("a crash is lost at the peers after its detection, behind what had left") {
  Pair pair;
  REQUIRE(pair.a->send(pair.to_b, Lane::bulk, as_bytes("left")));
  pair.a->flush();
  pair.network.run_until(after(1010us));
  REQUIRE(pair.a->send(pair.to_b, Lane::bulk, as_bytes("never flushed")));
  pair.network.at(after(1020us), [&] { pair.network.crash("a"); });
  pair.network.run_until(after(1020us + 2ms + 100us - 1ns));
  CHECK(messages(poll(*pair.b)) == std::vector<std::string>{"left"});
  // b still queues for it, more than leaves before the news.
  REQUIRE(pair.b->send(pair.to_a, Lane::urgent, as_bytes(std::string(4000, 'x')), 1));
  pair.b->flush();
  REQUIRE(pair.b->send(pair.to_a, Lane::bulk, as_bytes("staged"), 2));
  pair.network.run_until(after(1020us + 2ms + 100us));
  const auto seen = poll(*pair.b);
  REQUIRE(seen.size() == 3);
  std::set<fabric::Token> tokens;
  for (const Seen& event : seen)
    if (event.kind == Kind::completed) {
      CHECK_FALSE(event.ok);
      tokens.insert(event.token);
    } else {
      CHECK(event.kind == Kind::lost);
      CHECK(event.text == "crashed");
      CHECK(event.peer == pair.to_a);
    }
  CHECK(tokens == std::set<fabric::Token>{1, 2});
  CHECK(pair.b->send(pair.to_a, Lane::urgent, as_bytes("x")).error().code == Code::lost);
  CHECK(pair.b->import(pair.to_a, region, 8).error().code == Code::lost);
  pair.network.run_until(after(20s));
  CHECK(poll(*pair.b).empty());  // once per peer

  CHECK_FALSE(pair.network.running("a"));
  CHECK(pair.a->poll({}) == 0);
  CHECK(pair.a->send(pair.to_b, Lane::urgent, as_bytes("x")).error().code == Code::closed);
}

TEST_CASE("a push to several peers completes once, not ok if one of them was lost") {
  Network network(plain());
  const auto a = network.open("a");
  const auto b = network.open("b");
  const auto c = network.open("c");
  auto memory = Memory::create(4096).value();
  REQUIRE(a->expose(region, memory));
  const PeerId a_b = a->connect("b", ticket).value();
  REQUIRE(a->connect("c", ticket));
  REQUIRE(b->import(b->connect("a", ticket).value(), region, 4096));
  REQUIRE(c->import(c->connect("a", ticket).value(), region, 4096));
  for (int turn = 1; turn <= 3; ++turn) {
    network.run_until(after(turn * 1ms));
    for (auto* fabric : {a.get(), b.get(), c.get()}) poll(*fabric);
  }
  REQUIRE(a->push(region, 0, 1000, Lane::bulk, 1));
  a->flush();
  network.run_until(after(3500us));
  a->disconnect(a_b);
  CHECK(poll(*a).empty());  // c's is still on its way out
  network.run_until(after(4ms));
  const auto seen = poll(*a);
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].token == 1);
  CHECK_FALSE(seen[0].ok);
}

TEST_CASE("a push that nobody imported completes at once") {
  Network network(plain());
  const auto a = network.open("a");
  auto memory = Memory::create(4096).value();
  REQUIRE(a->expose(region, memory));
  REQUIRE(a->push(region, 0, 8, Lane::urgent, 4));
  const auto seen = poll(*a);
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].token == 4);
  CHECK(seen[0].ok);
}

TEST_CASE("without detects_loss a crash is silence, and disconnect returns the tokens") {
  Options options = plain();
  options.detects_loss = false;
  Pair pair(options);
  CHECK_FALSE(pair.b->capabilities().detects_loss);
  pair.network.crash("a");
  pair.network.run_until(after(10s));
  CHECK(poll(*pair.b).empty());
  REQUIRE(pair.b->send(pair.to_a, Lane::urgent, as_bytes("into the void"), 1));
  pair.b->flush();
  pair.network.run_until(after(11s));
  CHECK(poll(*pair.b).at(0).ok);  // it left
  REQUIRE(pair.b->send(pair.to_a, Lane::urgent, as_bytes("queued"), 2));
  pair.b->flush();
  pair.b->disconnect(pair.to_a);
  pair.b->disconnect(pair.to_a);
  const auto seen = poll(*pair.b);
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].token == 2);
  CHECK_FALSE(seen[0].ok);
}

TEST_CASE("disconnect fences: nothing of the peer counts, and its replica stays as it was") {
  Pair pair;
  const std::byte* replica = pair.share();
  pair.put(0, 1);
  REQUIRE(pair.a->push(region, 0, 8, Lane::urgent));
  REQUIRE(pair.a->send(pair.to_b, Lane::urgent, as_bytes("seen")));
  REQUIRE(pair.a->send(pair.to_b, Lane::urgent, as_bytes("landed, not handed out")));
  pair.a->flush();
  pair.network.run_until(after(3ms));
  Event one[1];
  REQUIRE(pair.b->poll(one) == 1);
  pair.put(0, 2);
  REQUIRE(pair.a->push(region, 0, 8, Lane::urgent));
  pair.a->flush();
  pair.network.run_until(after(4ms));
  pair.b->disconnect(pair.to_a);
  CHECK(poll(*pair.b).empty());
  CHECK(word(replica) == 1);
  pair.network.run_until(after(5ms));
  const auto seen = poll(*pair.a);
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].kind == Kind::lost);
  CHECK(seen[0].text == "hung up");
  CHECK(word(replica) == 1);
  pair.b->forget(pair.to_a);

  // The same two may meet again, with the same ticket, and nothing old comes through.
  pair.a->disconnect(pair.to_b);
  const PeerId again_b = pair.a->connect("b", ticket).value();
  const PeerId again_a = pair.b->connect("a", ticket).value();
  CHECK(again_b != pair.to_b);
  pair.network.run_until(after(6ms));
  CHECK(poll(*pair.a).at(0).peer == again_b);
  const auto back = poll(*pair.b);
  REQUIRE(back.size() == 1);
  CHECK(back[0].kind == Kind::connected);
  CHECK(back[0].peer == again_a);
}

TEST_CASE("a closed endpoint hangs up, behind what it had flushed") {
  Pair pair;
  REQUIRE(pair.a->send(pair.to_b, Lane::bulk, as_bytes("bulk")));
  REQUIRE(pair.a->send(pair.to_b, Lane::urgent, as_bytes("urgent")));
  pair.a->flush();
  pair.a.reset();
  pair.network.run_until(after(1s));
  const auto seen = poll(*pair.b);
  CHECK(messages(seen).size() == 2);
  CHECK(seen.back().kind == Kind::lost);
}

TEST_CASE("the second run of a name has another address and is not its former self") {
  Pair pair;
  REQUIRE(pair.a->send(pair.to_b, Lane::urgent, as_bytes("old")));
  pair.a->flush();
  pair.network.crash("b");
  const auto reborn = pair.network.open("b");
  CHECK(reborn->address() == "b#2");
  pair.network.run_until(after(2ms));
  CHECK(poll(*reborn).empty());
  const PeerId again = pair.a->connect(reborn->address(), ticket).value();
  REQUIRE(reborn->connect("a", ticket));
  pair.network.run_until(after(2100us));  // before the news of the crash
  const auto seen = poll(*pair.a);
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].kind == Kind::connected);
  CHECK(seen[0].peer == again);
  CHECK(poll(*reborn).size() == 1);
  pair.network.run_until(after(4ms));
  CHECK(poll(*pair.a).at(0).peer == pair.to_b);
}

TEST_CASE("a sleeping node is awake at its deadline, at an arrival after arm, or when woken") {
  Pair pair;
  Network& network = pair.network;
  CHECK(network.awake("b"));
  pair.b->arm();
  CHECK(poll(*pair.b).empty());
  pair.b->arm();
  pair.b->wait(after(2ms));
  CHECK_FALSE(network.awake("b"));
  CHECK(network.wakes_at("b") == after(2ms));
  network.run_until(after(2ms - 1ns));
  CHECK_FALSE(network.awake("b"));
  network.run_until(after(2ms));
  CHECK(network.awake("b"));

  poll(*pair.b);
  pair.b->arm();
  pair.b->wait(never);
  REQUIRE(pair.a->send(pair.to_b, Lane::urgent, as_bytes("x")));
  pair.a->flush();
  network.run_until(after(2101us - 1ns));
  CHECK_FALSE(network.awake("b"));
  network.run_until(after(2101us));
  CHECK(network.awake("b"));
  poll(*pair.b);

  pair.b->arm();
  pair.b->wait(never);
  pair.b->wake();
  CHECK(network.awake("b"));
  pair.b->wake();  // nobody waits: the next wait returns
  pair.b->wait(never);
  CHECK(network.awake("b"));
  pair.b->wait(never);
  CHECK_FALSE(network.awake("b"));
}

TEST_CASE("what came before arm wakes nobody, so that a missing look is found") {
  Pair pair;
  REQUIRE(pair.a->send(pair.to_b, Lane::urgent, as_bytes("x")));
  pair.a->flush();
  pair.network.run_until(after(2ms));
  pair.b->arm();
  pair.b->wait(never);  // without the poll in between
  pair.network.run_until(after(1h));
  CHECK_FALSE(pair.network.awake("b"));
  CHECK(messages(poll(*pair.b)).size() == 1);
}

/// Four nodes that push, send, cut, crash and disconnect at random.
std::pair<std::uint64_t, std::string> random_run(std::uint64_t seed) {
  Options options;
  options.seed = seed;
  options.jitter = 300us;
  options.keep_trace = true;
  Network network(options);
  Random random(seed);
  const std::vector<std::string> names{"a", "b", "c", "d"};
  std::vector<Memory> memories;
  std::vector<std::unique_ptr<fabric::Fabric>> nodes;
  for (const std::string& name : names) {
    nodes.push_back(network.open(name));
    memories.push_back(Memory::create(4096).value());
    REQUIRE(nodes.back()->expose(region, memories.back()));
  }
  for (std::size_t i = 0; i < nodes.size(); ++i)
    for (std::size_t j = 0; j < nodes.size(); ++j)
      if (i != j)
        REQUIRE(nodes[i]->import(nodes[i]->connect(names[j], ticket).value(), region, 4096));
  for (int turn = 0; turn < 200; ++turn) {
    network.run_until(network.now() + Duration(random.below(100'000)));
    const auto i = static_cast<std::size_t>(random.below(4));
    const auto j = static_cast<std::size_t>(random.below(4));
    const auto peer = PeerId(random.below(3));
    const auto lane = Lane(random.below(2));
    const auto offset = static_cast<std::size_t>(random.below(2048));
    switch (random.below(40)) {
      case 0:
        network.cut(names[i], names[j]);
        break;
      case 1:
        network.heal(names[i], names[j]);
        break;
      case 2:
        network.delay(names[i], names[j], Duration(random.below(1'000'000)));
        break;
      case 3:
        network.slow(names[i], Duration(random.below(1'000'000)));
        break;
      case 4:
        if (random.one_in(3)) network.crash(names[i]);
        break;
      case 5:
        if (random.one_in(3)) nodes[i]->disconnect(peer);
        break;
      default:
        break;
    }
    memories[i].data()[offset] = std::byte(random.below(256));
    (void)nodes[i]->push(region, offset, static_cast<std::size_t>(random.below(2048)), lane, 1);
    (void)nodes[i]->send(peer, lane, as_bytes(std::to_string(turn)), 2);
    nodes[i]->flush();
    poll(*nodes[j]);
  }
  network.run_until(network.now() + 10s);
  for (const auto& node : nodes) poll(*node);
  return {network.trace_hash(), std::string(network.trace())};
}

TEST_CASE("the same seed gives the same trace, byte for byte, and another seed another") {
  std::set<std::uint64_t> hashes;
  std::set<std::string> traces;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    const auto first = random_run(seed);
    const auto second = random_run(seed);
    CHECK(first.first == second.first);
    CHECK(first.second == second.second);
    hashes.insert(first.first);
    traces.insert(first.second);
  }
  CHECK(hashes.size() == 100);
  CHECK(traces.size() == 100);
}

TEST_CASE("the network's own seed alone changes the trace") {
  std::set<std::uint64_t> hashes;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Options options = plain();
    options.jitter = 50us;
    options.seed = seed;
    Pair pair(options);
    for (int i = 0; i < 20; ++i)
      REQUIRE(pair.a->send(pair.to_b, Lane::urgent, as_bytes(std::to_string(i))));
    pair.a->flush();
    pair.network.run_until(after(1s));
    CHECK(messages(poll(*pair.b)).size() == 20);
    hashes.insert(pair.network.trace_hash());
  }
  CHECK(hashes.size() == 20);
}

}  // namespace
}  // namespace squall::sim
