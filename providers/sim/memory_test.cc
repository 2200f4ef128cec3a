// Regions, replicas and pushes.

#include "core/fabric/memory.h"

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

TEST_CASE("an object lands in the importer's memory, and no byte of it after its release") {
  const Memory mine = Memory::create(8192).value();
  Memory landing = Memory::create(4096).value();
  Pair pair;
  const auto import = [&](std::size_t bytes) {
    return pair.b->import_object(pair.to_a, region, bytes, &landing);
  };
  const auto settle = [&] {
    pair.a->flush();
    pair.network.run_until(pair.network.now() + 20ms);
    CHECK(poll(*pair.b).empty());
    return poll(*pair.a);
  };
  CHECK(import(4097).error().code == Code::invalid);
  CHECK(import(0).error().code == Code::invalid);
  REQUIRE(import(4096));
  CHECK(import(4096).value() == landing.data());
  REQUIRE(pair.a->expose(region, mine));
  CHECK(settle().size() == 2);  // attached, each
  mine.data()[4095] = std::byte{1};
  REQUIRE(pair.a->push(region, 0, 8192, Lane::bulk, 5));
  CHECK(settle().size() == 1);
  CHECK(landing.data()[4095] == std::byte{1});
  pair.b->release(pair.to_a, region);
  pair.b->release(pair.to_a, region);
  settle();
  mine.data()[4095] = std::byte{2};
  REQUIRE(pair.a->push(region, 0, 8192, Lane::bulk, 6));
  CHECK(settle().size() == 1);
  CHECK(landing.data()[4095] == std::byte{1});
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

}  // namespace
}  // namespace squall::sim
