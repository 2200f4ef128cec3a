// Each fault, what it stops, and what it leaves.

#include <doctest/doctest.h>

#include <set>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/time.h"
#include "core/fabric/fabric.h"
#include "core/fabric/memory.h"
#include "providers/sim/options.h"
#include "providers/sim/sim.h"
#include "providers/sim/test_pair.h"

namespace squall::sim {
namespace {

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
  const std::string long_message(4000, 'x');
  REQUIRE(pair.b->send(pair.to_a, Lane::urgent, as_bytes(long_message), 1));
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

TEST_CASE("a hang-up does not overtake what left before it on the other lane") {
  Pair pair;
  pair.network.delay("a", "b", 3ms);
  REQUIRE(pair.a->send(pair.to_b, Lane::urgent, as_bytes("slow")));
  pair.a->flush();
  pair.network.run_until(after(2ms));
  pair.network.delay("a", "b", 0ms);
  pair.a.reset();
  pair.network.run_until(after(4104us - 1ns));
  CHECK(poll(*pair.b).empty());
  pair.network.run_until(after(4104us));
  const auto seen = poll(*pair.b);
  REQUIRE(seen.size() == 2);
  CHECK(seen[0].text == "slow");
  CHECK(seen[1].kind == Kind::lost);
}

TEST_CASE("nothing overtakes the greeting, on either lane") {
  Network network(plain());
  const auto a = network.open("a");
  const auto b = network.open("b");
  network.delay("a", "b", 3ms);
  const PeerId to_b = a->connect("b", ticket).value();
  REQUIRE(b->connect("a", ticket));
  network.delay("a", "b", 0ms);
  network.run_until(after(1ms));
  CHECK(poll(*a).at(0).kind == Kind::connected);
  REQUIRE(a->send(to_b, Lane::bulk, as_bytes("early")));
  a->flush();
  network.run_until(after(2ms));
  CHECK(poll(*b).empty());
  network.run_until(after(4ms));
  const auto seen = poll(*b);
  REQUIRE(seen.size() == 2);
  CHECK(seen[0].kind == Kind::connected);
  CHECK(seen[1].text == "early");
}

TEST_CASE("a ticket that nobody expects in time is forgotten") {
  Network network(plain());
  const auto a = network.open("a");
  const auto b = network.open("b");
  REQUIRE(a->connect("b", ticket));
  network.run_until(after(1ms));
  CHECK(poll(*b).empty());
  network.cut("a", "b");  // so that b does not hear that a has given up
  network.run_until(after(5001ms));
  CHECK(poll(*a).at(0).kind == Kind::lost);
  REQUIRE(b->connect("a", ticket));
  CHECK(poll(*b).empty());
  network.run_until(after(11s));
  const auto seen = poll(*b);
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].text == "never came");
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

}  // namespace
}  // namespace squall::sim
