// Memory: exposed by its owner, read by its peers, checked at its bounds.
#include <doctest/doctest.h>

#include <cstring>
#include <limits>

#include "core/fabric/memory.h"
#include "test/conformance/child.h"
#include "test/conformance/world.h"

namespace squall::conformance {
namespace {

using fabric::Memory;

constexpr RegionId region{7};
constexpr std::size_t region_bytes = 3 * 4096;

void fill(const Memory& memory, std::size_t offset, std::string_view bytes) {
  std::memcpy(memory.data() + offset, bytes.data(), bytes.size());
}

bool all_zero(const std::byte* at, std::size_t bytes) {
  return view(at, bytes).find_first_not_of('\0') == std::string_view::npos;
}

// An owner and a reader, connected. The memory outlives the endpoints that expose it.
struct SharedRegion {
  Memory memory = must(Memory::create(region_bytes), "memory");
  std::unique_ptr<World> world = subject().make_world();
  Node& owner = world->add("owner");
  Node& reader = world->add("reader");
  Pair pair = connect(*world, owner, reader);

  bool shows(const std::byte* at, const std::string& bytes) {
    return world->until([&] { return view(at, bytes.size()) == bytes; });
  }
  bool attached(std::size_t times = 1) {
    return world->until([&] { return owner.count(Kind::attached, pair.first_to_second) == times; });
  }
};

TEST_CASE("a region imported before it is exposed reads as zeros, then as its owner's memory") {
  SharedRegion scene;
  const std::byte* replica =
      must(scene.reader->import(scene.pair.second_to_first, region, region_bytes), "import");
  REQUIRE(replica != nullptr);
  CHECK(reinterpret_cast<std::uintptr_t>(replica) % 4096 == 0);
  CHECK(all_zero(replica, region_bytes));
  scene.world->pass_time(50ms);
  CHECK(all_zero(replica, region_bytes));
  CHECK(scene.owner.count(Kind::attached) == 0);

  const std::string bytes = content(1, region_bytes);
  fill(scene.memory, 0, bytes);
  must(scene.owner->expose(region, scene.memory), "expose");
  REQUIRE(scene.attached());
  CHECK(scene.owner.find(Kind::attached, scene.pair.first_to_second)->region == region);
  must(scene.owner->push_to(scene.pair.first_to_second, region, 0, region_bytes, Lane::bulk),
       "push_to");
  CHECK(scene.shows(replica, bytes));  // and at the same address
}

TEST_CASE("a region exposed before it is imported attaches once and shows what is pushed") {
  SharedRegion scene;
  must(scene.owner->expose(region, scene.memory), "expose");
  scene.world->pass_time(20ms);
  CHECK(scene.owner.count(Kind::attached) == 0);
  const std::byte* replica =
      must(scene.reader->import(scene.pair.second_to_first, region, region_bytes), "import");
  REQUIRE(scene.attached());
  for (std::uint64_t round = 1; round <= 20; ++round)
    for (const Lane lane : {Lane::urgent, Lane::bulk}) {
      const std::string bytes = content(2 * round + static_cast<int>(lane), 1000);
      fill(scene.memory, round * 100, bytes);
      must(scene.owner->push(region, round * 100, bytes.size(), lane), "push");
      REQUIRE(scene.shows(replica + round * 100, bytes));
    }
  scene.world->pass_time(20ms);
  CHECK(scene.owner.count(Kind::attached) == 1);
}

TEST_CASE("a push out of bounds is invalid, and nothing of it lands") {
  SharedRegion scene;
  must(scene.owner->expose(region, scene.memory), "expose");
  const std::byte* replica =
      must(scene.reader->import(scene.pair.second_to_first, region, region_bytes), "import");
  REQUIRE(scene.attached());
  constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
  const struct {
    std::size_t offset, bytes;
  } bad[] = {{0, region_bytes + 1},
             {region_bytes, 1},
             {region_bytes - 7, 8},
             {most, 1},
             {most - 3, 8},
             {8, most},
             {most, most},
             {region_bytes + 1, 0},
             {std::size_t{1} << 63, std::size_t{1} << 63}};
  for (const auto& [offset, bytes] : bad) {
    CAPTURE(offset);
    CAPTURE(bytes);
    const auto pushed = scene.owner->push(region, offset, bytes, Lane::urgent, 9);
    REQUIRE(!pushed);
    CHECK(pushed.error().code == Code::invalid);
    const auto to_one =
        scene.owner->push_to(scene.pair.first_to_second, region, offset, bytes, Lane::urgent, 9);
    REQUIRE(!to_one);
    CHECK(to_one.error().code == Code::invalid);
  }
  const auto unknown = scene.owner->push(RegionId{8}, 0, 8, Lane::urgent);
  REQUIRE(!unknown);
  CHECK(unknown.error().code == Code::invalid);
  scene.world->pass_time(20ms);
  CHECK(scene.owner.count(Kind::completed) == 0);
  CHECK(all_zero(replica, region_bytes));
  // The last word is within bounds, and the connection lives.
  store_counter(scene.memory.data() + region_bytes - 8, 5);
  must(scene.owner->push(region, region_bytes - 8, 8, Lane::urgent), "push");
  CHECK(scene.world->until([&] { return load_counter(replica + region_bytes - 8) == 5; }));
}

TEST_CASE("an import larger than the region loses the peer, with a reason, and stays readable") {
  SharedRegion scene;
  must(scene.owner->expose(region, scene.memory), "expose");
  const std::byte* replica =
      must(scene.reader->import(scene.pair.second_to_first, region, 2 * region_bytes), "import");
  CHECK(scene.world->until(
      [&] { return scene.reader.count(Kind::lost, scene.pair.second_to_first) == 1; }));
  REQUIRE(scene.reader.find(Kind::lost, scene.pair.second_to_first) != nullptr);
  CHECK(!scene.reader.find(Kind::lost, scene.pair.second_to_first)->text.empty());
  CHECK(all_zero(replica, 2 * region_bytes));
}

TEST_CASE("a replica of a region's beginning takes nothing from beyond it") {
  SharedRegion scene;
  must(scene.owner->expose(region, scene.memory), "expose");
  const std::byte* replica =
      must(scene.reader->import(scene.pair.second_to_first, region, 4096), "import");
  REQUIRE(scene.attached());
  const std::string bytes = content(3, region_bytes);
  fill(scene.memory, 0, bytes);
  must(scene.owner->push(region, 8192, 4096, Lane::urgent), "push");  // beyond
  must(scene.owner->push(region, 4000, 200, Lane::urgent), "push");   // across
  must(scene.owner->push(region, 0, 4000, Lane::urgent), "push");     // within
  CHECK(scene.shows(replica, bytes.substr(0, 4096)));
  CHECK(scene.reader.count(Kind::lost) == 0);
  CHECK(scene.owner.count(Kind::lost) == 0);
}

TEST_CASE("a push reaches every importer, and its token comes back once") {
  Memory memory = must(Memory::create(region_bytes), "memory");
  const auto world = subject().make_world();
  Node& owner = world->add("owner");
  Node* readers[] = {&world->add("b"), &world->add("c")};
  const std::byte* replicas[2];
  must(owner->expose(region, memory), "expose");
  for (int i = 0; i < 2; ++i) {
    const Pair pair = connect(*world, owner, *readers[i]);
    replicas[i] = must((*readers[i])->import(pair.second_to_first, region, region_bytes), "import");
  }
  REQUIRE(world->until([&] { return owner.count(Kind::attached) == 2; }));
  for (Token token = 1; token <= 50; ++token) {
    const std::size_t size = token % 2 == 0 ? 64 : region_bytes;
    const std::string bytes = content(token, size);
    fill(memory, 0, bytes);
    must(owner->push(region, 0, size, token % 3 == 0 ? Lane::bulk : Lane::urgent, token), "push");
    CHECK(world->until([&] { return owner.count(Kind::completed) == token; }));
    for (const std::byte* replica : replicas)
      CHECK(world->until([&] { return view(replica, size) == bytes; }));
  }
  for (const Seen& event : owner.seen)
    if (event.kind == Kind::completed) CHECK(event.ok);
}

TEST_CASE("a push that nobody imported gives its token back") {
  Memory memory = must(Memory::create(region_bytes), "memory");
  const auto world = subject().make_world();
  Node& owner = world->add("owner");
  must(owner->expose(region, memory), "expose");
  must(owner->push(region, 0, 8, Lane::urgent, 1), "push");
  must(owner->push(region, 0, region_bytes, Lane::bulk, 2), "push");
  CHECK(world->until([&] { return owner.count(Kind::completed) == 2; }));
}

TEST_CASE("a large region arrives whole as bulk") {
  constexpr std::size_t large = 16 << 20;
  Memory memory = must(Memory::create(large), "memory");
  const auto world = subject().make_world();
  Node& owner = world->add("owner");
  Node& reader = world->add("reader");
  const Pair pair = connect(*world, owner, reader);
  must(owner->expose(region, memory), "expose");
  const std::byte* replica = must(reader->import(pair.second_to_first, region, large), "import");
  REQUIRE(world->until([&] { return owner.count(Kind::attached) == 1; }));
  const std::string bytes = content(4, large);
  fill(memory, 0, bytes);
  must(owner->push(region, 0, large, Lane::bulk, 1), "push");
  CHECK(world->until([&] { return owner.count(Kind::completed) == 1; }));
  CHECK(world->until([&] { return view(replica + large - 64, 64) == bytes.substr(large - 64); }));
  CHECK(view(replica, large) == bytes);
}

TEST_CASE("many regions each way keep their names apart") {
  constexpr std::uint64_t count = 20;
  std::vector<Memory> memories;
  memories.reserve(2 * count);  // an exposed memory stays where it is
  const auto world = subject().make_world();
  Node* nodes[] = {&world->add("a"), &world->add("b")};
  const Pair pair = connect(*world, *nodes[0], *nodes[1]);
  const PeerId peers[] = {pair.first_to_second, pair.second_to_first};
  std::vector<const std::byte*> replicas;
  for (std::uint64_t number = 0; number < count; ++number)
    for (int side = 0; side < 2; ++side) {
      memories.push_back(must(Memory::create(4096), "memory"));
      store_counter(memories.back().data(), 100 * number + static_cast<std::uint64_t>(side));
      must((*nodes[side])->expose(RegionId{number}, memories.back()), "expose");
      replicas.push_back(
          must((*nodes[1 - side])->import(peers[1 - side], RegionId{number}, 4096), "import"));
    }
  REQUIRE(world->until([&] {
    return nodes[0]->count(Kind::attached) == count && nodes[1]->count(Kind::attached) == count;
  }));
  for (std::uint64_t number = 0; number < count; ++number)
    for (int side = 0; side < 2; ++side)
      must((*nodes[side])->push(RegionId{number}, 0, 8, Lane::urgent), "push");
  for (std::uint64_t number = 0; number < count; ++number)
    for (int side = 0; side < 2; ++side)
      CHECK(world->until([&] {
        return load_counter(replicas[2 * number + static_cast<std::uint64_t>(side)]) ==
               100 * number + static_cast<std::uint64_t>(side);
      }));
  for (Node* node : nodes) node->close();  // before the memory that they expose
}

TEST_CASE("pushes within inline_bytes land with the value that they were issued with, or a later") {
  SharedRegion scene;
  must(scene.owner->expose(region, scene.memory), "expose");
  const std::byte* replica =
      must(scene.reader->import(scene.pair.second_to_first, region, region_bytes), "import");
  REQUIRE(scene.attached());
  // Words 0 and 1 are pushed one after the other, many times before a flush: whoever sees the
  // second sees at least that of the first.
  std::uint64_t value = 0;
  for (int batch = 0; batch < 200; ++batch) {
    for (int i = 0; i < 10; ++i) {
      ++value;
      for (const std::size_t word : {0u, 64u}) {
        store_counter(scene.memory.data() + word, value);
        must(scene.owner->push(region, word, 8, Lane::urgent), "push");
      }
    }
    scene.owner.turn();
    for (int look = 0; look < 3; ++look) {
      scene.reader.turn();
      const std::uint64_t second = load_counter(replica + 64);
      REQUIRE(load_counter(replica) >= second);
    }
  }
  CHECK(scene.world->until([&] { return load_counter(replica + 64) == value; }));
}

}  // namespace
}  // namespace squall::conformance
