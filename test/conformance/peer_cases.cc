// Connections: who gets one, in what order, and how it ends.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "test/conformance/child.h"
#include "test/conformance/world.h"

namespace squall::conformance {
namespace {

TEST_CASE("both ends connect in any order, however far apart, and both hear of it") {
  for (const bool swapped : {false, true}) {
    const auto world = subject().make_world();
    Node& a = world->add("a");
    Node& b = world->add("b");
    Node& early = swapped ? b : a;
    Node& late = swapped ? a : b;
    const Ticket ticket = fresh_ticket();
    const PeerId to_late = must(early->connect(late->address(), ticket), "connect");
    world->pass_time(200ms);
    CHECK(early.count(Kind::connected) == 0);
    CHECK(late.count(Kind::connected) == 0);
    const PeerId to_early = must(late->connect(early->address(), ticket), "connect");
    CHECK(world->until([&] {
      return early.count(Kind::connected, to_late) == 1 &&
             late.count(Kind::connected, to_early) == 1;
    }));
    CHECK(early.count(Kind::lost) == 0);
    CHECK(late.count(Kind::lost) == 0);
  }
}

TEST_CASE("an address is at most 512 bytes, and stays the same") {
  const auto world = subject().make_world();
  Node& a = world->add("a");
  const std::string address = a->address();
  CHECK(!address.empty());
  CHECK(address.size() <= 512);
  world->pass_time(10ms);
  CHECK(a->address() == address);
}

TEST_CASE("the capabilities are usable") {
  const auto world = subject().make_world();
  Node& a = world->add("a");
  CHECK(a->capabilities().inline_bytes >= 256);
  CHECK(a->capabilities().max_message_bytes >= 4096);
  // Virtual time has nothing to put into epoll.
  if (subject().processes) CHECK((a->fd() >= 0) == a->capabilities().can_wait);
}

TEST_CASE("a wrong ticket gets nothing: never connected, no message, and lost in the end") {
  const auto world = subject().make_world();
  Node& a = world->add("a");
  Node& b = world->add("b");
  const PeerId to_b = must(a->connect(b->address(), fresh_ticket()), "connect");
  const PeerId to_a = must(b->connect(a->address(), fresh_ticket()), "connect");
  (void)a->send(to_b, Lane::urgent, as_bytes("secret"));
  (void)b->send(to_a, Lane::urgent, as_bytes("secret"));
  CHECK(world->until([&] { return a.count(Kind::lost, to_b) + b.count(Kind::lost, to_a) == 2; }));
  for (Node* node : {&a, &b}) {
    CHECK(node->count(Kind::connected) == 0);
    CHECK(node->count(Kind::message) == 0);
  }
  REQUIRE(a.find(Kind::lost, to_b) != nullptr);
  CHECK(!a.find(Kind::lost, to_b)->text.empty());
}

TEST_CASE("a wrong ticket does not disturb the right one") {
  const auto world = subject().make_world();
  Node& a = world->add("a");
  Node& b = world->add("b");
  Node& stranger = world->add("stranger");
  (void)stranger->connect(a->address(), fresh_ticket());
  const Pair pair = connect(*world, a, b);
  must(a->send(pair.first_to_second, Lane::urgent, as_bytes("hello")), "send");
  CHECK(world->until([&] { return b.count(Kind::message) == 1; }));
  CHECK(stranger.count(Kind::connected) == 0);
}

// Says its address, and nothing else.
const Role named{"named", [](Link& link, const std::string&) {
                   const auto world = subject().make_world();
                   link.say(hex(world->add("gone")->address()));
                   link.hear(*world);
                 }};

// The address of an endpoint that is no more.
std::string address_of_the_dead(World& world) {
  if (subject().processes) {
    Child child("named");
    return unhex(child.link().hear(world));
  }
  Node& gone = world.add("gone");
  const std::string address = gone->address();
  gone.close();
  return address;
}

TEST_CASE("a peer that never comes is lost, with a reason") {
  const auto world = subject().make_world();
  Node& a = world->add("a");
  const auto peer = a->connect(address_of_the_dead(*world), fresh_ticket());
  if (!peer) {  // said at once: as good
    CHECK(!peer.error().what.empty());
    return;
  }
  CHECK(world->until([&] { return a.count(Kind::lost, *peer) == 1; }));
  REQUIRE(a.find(Kind::lost, *peer) != nullptr);
  CHECK(!a.find(Kind::lost, *peer)->text.empty());
}

TEST_CASE("an address that is none is refused or lost, and breaks nothing") {
  const auto world = subject().make_world();
  Node& a = world->add("a");
  Node& b = world->add("b");
  std::vector<PeerId> tried;
  for (const std::string& address :
       {std::string(), std::string("nonsense"), std::string(512, '\xff'), std::string(4096, 'a'),
        b->address().substr(0, b->address().size() / 2)})
    if (const auto peer = a->connect(address, fresh_ticket())) tried.push_back(*peer);
  CHECK(world->until([&] {
    return std::ranges::all_of(tried, [&](PeerId peer) { return a.count(Kind::lost, peer) == 1; });
  }));
  connect(*world, a, b);
}

TEST_CASE("three nodes talk pairwise") {
  const auto world = subject().make_world();
  Node* nodes[] = {&world->add("a"), &world->add("b"), &world->add("c")};
  for (int i = 0; i < 3; ++i)
    for (int j = i + 1; j < 3; ++j) {
      const Pair pair = connect(*world, *nodes[i], *nodes[j]);
      must((*nodes[i])->send(pair.first_to_second, Lane::urgent, as_bytes("up")), "send");
      must((*nodes[j])->send(pair.second_to_first, Lane::bulk, as_bytes("down")), "send");
    }
  CHECK(world->until([&] {
    for (const Node* node : nodes)
      if (node->count(Kind::message) != 2) return false;
    return true;
  }));
}

TEST_CASE("disconnect is idempotent, and a new connection has a new number") {
  const auto world = subject().make_world();
  Node& a = world->add("a");
  Node& b = world->add("b");
  const Pair first = connect(*world, a, b);
  a->disconnect(first.first_to_second);
  a->disconnect(first.first_to_second);
  CHECK(!a->send(first.first_to_second, Lane::urgent, as_bytes("x")));
  b->disconnect(first.second_to_first);
  a->forget(first.first_to_second);
  b->forget(first.second_to_first);
  world->pass_time(20ms);
  const Pair second = connect(*world, a, b);
  CHECK(second.first_to_second != first.first_to_second);
  CHECK(second.second_to_first != first.second_to_first);
  must(a->send(second.first_to_second, Lane::urgent, as_bytes("again")), "send");
  CHECK(world->until([&] { return b.count(Kind::message, second.second_to_first) == 1; }));
}

TEST_CASE("disconnect tells the other end, where the fabric detects loss") {
  const auto world = subject().make_world();
  Node& a = world->add("a");
  Node& b = world->add("b");
  const Pair pair = connect(*world, a, b);
  if (!a->capabilities().detects_loss) return;
  a->disconnect(pair.first_to_second);
  CHECK(world->until([&] { return b.count(Kind::lost, pair.second_to_first) == 1; }));
  CHECK(a.count(Kind::lost) == 0);
}

TEST_CASE("an endpoint closes with peers connected and work queued") {
  const auto world = subject().make_world();
  Node& a = world->add("a");
  Node& b = world->add("b");
  const Pair pair = connect(*world, a, b);
  for (int i = 0; i < 100; ++i)
    (void)a->send(pair.first_to_second, Lane::bulk, as_bytes("unsent"), 7);
  a.close();
  world->pass_time(20ms);
  if (b->capabilities().detects_loss)
    CHECK(world->until([&] { return b.count(Kind::lost, pair.second_to_first) == 1; }));
}

}  // namespace
}  // namespace squall::conformance
