// Promises 3 to 5 on the simulated fabric, where a peer dies by a call and time is virtual.
#include <doctest/doctest.h>

#include <map>

#include "core/fabric/memory.h"
#include "test/conformance/sim_world.h"

namespace squall::conformance {
namespace {

using fabric::Memory;

constexpr RegionId region{1};

struct Scene {
  explicit Scene(const sim::Options& options = {}) : world(options) {
    must(b->expose(region, memory), "expose");
    replica = must(a->import(pair.first_to_second, region, 4096), "import");
    expect(world.until([&] { return b.count(Kind::attached) == 1; }), "attached");
  }
  Memory memory = must(Memory::create(4096), "memory");
  SimWorld world;
  Node& a = world.add("a");
  Node& b = world.add("b");
  Pair pair = connect(world, a, b);
  const std::byte* replica = nullptr;

  void publish(std::uint64_t value) {
    store_counter(memory.data(), value);
    must(b->push(region, 0, 8, Lane::urgent), "push");
    b->flush();
  }
};

// Queues on both lanes until they are full; returns the last token.
Token fill_lanes(Scene& scene, const std::string& message) {
  Token last = 0;
  for (const Lane lane : {Lane::urgent, Lane::bulk})
    while (scene.a->send(scene.pair.first_to_second, lane, as_bytes(message), last + 1)) ++last;
  return last;
}

TEST_CASE("promise 3: after a crash the loss is told within a second, and all work comes back") {
  Scene scene;
  const std::string message(10'000, 'x');
  scene.world.network.cut("a", "b");
  const Token last = fill_lanes(scene, message);
  REQUIRE(last > 10);
  const Time crashed = scene.world.now();
  scene.world.network.crash("b");
  CHECK(scene.world.until(
      [&] { return scene.a.count(Kind::lost, scene.pair.first_to_second) == 1; }));
  CHECK(scene.world.now() - crashed < 1s);
  scene.a->disconnect(scene.pair.first_to_second);
  CHECK(scene.world.until([&] { return scene.a.count(Kind::completed) == last; }));
  scene.world.pass_time(100ms);
  std::map<Token, int> returned;
  for (const Seen& event : scene.a.seen)
    if (event.kind == Kind::completed) ++returned[event.token];
  CHECK(returned.size() == last);
  const auto sent = scene.a->send(scene.pair.first_to_second, Lane::urgent, as_bytes("x"));
  REQUIRE(!sent);
  CHECK(sent.error().code == Code::lost);
}

TEST_CASE("promise 3: without detection of loss, all work comes back after disconnect") {
  sim::Options options;
  options.detects_loss = false;
  Scene scene(options);
  const std::string message(10'000, 'x');
  scene.world.network.crash("b");
  const Token last = fill_lanes(scene, message);
  scene.world.pass_time(2s);
  CHECK(scene.a.count(Kind::lost) == 0);
  scene.a->disconnect(scene.pair.first_to_second);
  CHECK(scene.world.until([&] { return scene.a.count(Kind::completed) == last; }));
}

TEST_CASE("promise 3: a link cut for a while and healed loses nothing") {
  Scene scene;
  scene.world.network.cut("b", "a");
  for (std::uint64_t value = 1; value <= 100; ++value) {
    scene.publish(value);
    must(scene.b->send(scene.pair.second_to_first, Lane::urgent, as_bytes("x")), "send");
  }
  scene.world.pass_time(1s);
  CHECK(load_counter(scene.replica) == 0);
  CHECK(scene.a.count(Kind::message) == 0);
  scene.world.network.heal("b", "a");
  CHECK(scene.world.until([&] { return scene.a.count(Kind::message) == 100; }));
  CHECK(load_counter(scene.replica) == 100);
  CHECK(scene.a.count(Kind::lost) + scene.b.count(Kind::lost) == 0);
}

TEST_CASE("promise 4: what was under way at disconnect does not land") {
  Scene scene;
  scene.publish(1);
  REQUIRE(scene.world.until([&] { return load_counter(scene.replica) == 1; }));
  scene.publish(2);
  must(scene.b->send(scene.pair.second_to_first, Lane::urgent, as_bytes("x")), "send");
  scene.b.turn();
  scene.a->disconnect(scene.pair.first_to_second);
  for (std::uint64_t value = 3; value < 50; ++value) {
    scene.publish(value);
    scene.world.pass_time(1ms);
  }
  CHECK(load_counter(scene.replica) == 1);
  CHECK(scene.a.count(Kind::message) == 0);
  scene.a->forget(scene.pair.first_to_second);
}

TEST_CASE("promise 5: who is armed and waits is woken by what comes, and by nothing else") {
  Scene scene;
  for (std::uint64_t value = 1; value <= 10'000; ++value) {
    CAPTURE(value);
    const Time until = scene.world.now() + 2s;
    scene.a->arm();
    scene.a.turn();
    REQUIRE(load_counter(scene.replica) == value - 1);
    scene.a->wait(until);
    REQUIRE(!scene.world.network.awake("a"));
    REQUIRE(scene.world.network.wakes_at("a") == until);
    scene.publish(value);
    while (!scene.world.network.awake("a") && scene.world.now() < until)
      if (!scene.world.network.step()) break;
    REQUIRE(scene.world.network.awake("a"));
    REQUIRE(scene.world.now() < until);
    scene.a.turn();
    REQUIRE(load_counter(scene.replica) == value);
  }
  scene.a->arm();
  scene.a.turn();
  scene.a->wait(never);
  scene.world.network.run_until(scene.world.now() + 10s);
  CHECK(!scene.world.network.awake("a"));
  scene.a->wake();
  CHECK(scene.world.network.awake("a"));
}

TEST_CASE("an urgent push waits for one slice of bulk at most") {
  constexpr std::size_t large = 64 << 20;
  Memory bulk = must(Memory::create(large), "memory");
  Scene scene;
  must(scene.b->expose(RegionId{2}, bulk), "expose");
  must(scene.a->import(scene.pair.first_to_second, RegionId{2}, large), "import");
  REQUIRE(scene.world.until([&] { return scene.b.count(Kind::attached) == 2; }));
  must(scene.b->push(RegionId{2}, 0, large, Lane::bulk, 1), "push");
  scene.b.turn();
  scene.world.pass_time(1ms);
  const Time start = scene.world.now();
  scene.publish(1);
  CHECK(scene.world.until([&] { return load_counter(scene.replica) == 1; }));
  CHECK(scene.world.now() - start < 1ms);  // all of it takes 50 ms at 10 Gb/s
  CHECK(scene.b.count(Kind::completed) == 0);
  CHECK(scene.world.until([&] { return scene.b.count(Kind::completed) == 1; }));
  scene.a.close();
  scene.b.close();
}

}  // namespace
}  // namespace squall::conformance
