// Connections, lanes and waiting, against times computed by hand.

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/time.h"
#include "core/fabric/fabric.h"
#include "providers/sim/options.h"
#include "providers/sim/sim.h"
#include "providers/sim/test_pair.h"

namespace squall::sim {
namespace {

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
  const std::string long_message(100'000, 'x');
  REQUIRE(fast.a->send(fast.to_b, Lane::bulk, as_bytes(long_message)));
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
  const std::string long_message(1000, 'b');
  REQUIRE(pair.a->send(pair.to_b, Lane::bulk, as_bytes(long_message)));
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

TEST_CASE("a quiet message wakes nobody, and is there for who wakes") {
  Pair pair;
  Network& network = pair.network;
  pair.b->arm();
  CHECK(poll(*pair.b).empty());
  pair.b->wait(after(20ms));
  REQUIRE(pair.a->send_quietly(pair.to_b, Lane::urgent, as_bytes("all is well")));
  pair.a->flush();
  network.run_until(after(10ms));
  CHECK_FALSE(network.awake("b"));
  REQUIRE(pair.a->send(pair.to_b, Lane::urgent, as_bytes("look")));
  pair.a->flush();
  network.run_until(after(11ms));
  CHECK(network.awake("b"));
  CHECK(messages(poll(*pair.b)) == std::vector<std::string>{"all is well", "look"});
}

TEST_CASE("without arm an arrival wakes nobody") {
  Pair pair;
  pair.b->wait(after(10ms));
  REQUIRE(pair.a->send(pair.to_b, Lane::urgent, as_bytes("x")));
  pair.a->flush();
  pair.network.run_until(after(10ms - 1ns));
  CHECK_FALSE(pair.network.awake("b"));
  pair.network.run_until(after(10ms));
  CHECK(pair.network.awake("b"));
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

}  // namespace
}  // namespace squall::sim
