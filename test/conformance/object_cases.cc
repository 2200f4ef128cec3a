// Large objects: replicas that lie in memory of the importer's own, or are the owner's.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <signal.h>

#include <cstring>

#include "core/fabric/memory.h"
#include "test/conformance/child.h"
#include "test/conformance/world.h"

namespace squall::conformance {
namespace {

using fabric::Memory;

constexpr RegionId object{40}, another{41};
constexpr std::size_t block_bytes = 256 << 10;
constexpr std::size_t object_bytes = 16 * block_bytes + 1000;

Memory filled(const std::string& bytes) {
  Memory memory = must(Memory::create(bytes.size()), "memory");
  std::memcpy(memory.data(), bytes.data(), bytes.size());
  return memory;
}

/// Every other block, and behind them the word that all has been pushed.
void push_blocks(Node& node, PeerId to, std::size_t first, std::size_t step) {
  for (std::size_t at = first * block_bytes; at < object_bytes; at += step * block_bytes)
    must(node->push_to(to, object, at, std::min(block_bytes, object_bytes - at), Lane::bulk, 1),
         "push_to");
  must(node->send(to, Lane::bulk, as_bytes("all")), "send");
}

// An owner of an object and a reader, connected.
struct SharedObject {
  std::string bytes = content(1, object_bytes);
  Memory memory = filled(bytes);
  Memory landing = must(Memory::create(object_bytes), "memory");
  std::unique_ptr<World> world = subject().make_world();
  Node& owner = world->add("owner");
  Node& reader = world->add("reader");
  Pair pair = connect(*world, owner, reader);

  ~SharedObject() {
    owner.close();
    reader.close();
  }
  const std::byte* import() {
    return must(reader->import_object(pair.second_to_first, object, object_bytes, &landing),
                "import_object");
  }
  bool attached(std::size_t times) {
    return world->until([&] { return owner.count(Kind::attached, pair.first_to_second) == times; });
  }
  bool told(std::size_t times) {
    return world->until([&] { return reader.count(Kind::message) == times; });
  }
};

TEST_CASE("an object arrives whole in blocks from two peers, in one memory that is passed on") {
  const std::string bytes = content(7, object_bytes);
  Memory at_a = filled(bytes), at_b = filled(bytes);
  Memory landing = must(Memory::create(object_bytes), "memory");
  Memory far_landing = must(Memory::create(object_bytes), "memory");
  const auto world = subject().make_world();
  Node &a = world->add("a"), &b = world->add("b"), &c = world->add("c"), &d = world->add("d");
  const Pair ac = connect(*world, a, c), bc = connect(*world, b, c), cd = connect(*world, c, d);
  must(a->expose(object, at_a), "expose");
  must(b->expose(object, at_b), "expose");
  must(c->expose(object, landing), "expose");
  const std::byte* from_a = must(
      c->import_object(ac.second_to_first, object, object_bytes, &landing), "import_object of a's");
  const std::byte* from_b = must(
      c->import_object(bc.second_to_first, object, object_bytes, &landing), "import_object of b's");
  const std::byte* from_c =
      must(d->import_object(cd.second_to_first, object, object_bytes, &far_landing),
           "import_object of c's");
  REQUIRE(world->until([&] {
    return a.count(Kind::attached) == 1 && b.count(Kind::attached) == 1 &&
           c.count(Kind::attached) == 1;
  }));
  push_blocks(a, ac.first_to_second, 0, 2);
  push_blocks(b, bc.first_to_second, 1, 2);
  REQUIRE(world->until([&] { return c.count(Kind::message) == 2; }));
  if (c->capabilities().maps) {
    CHECK(view(from_a, object_bytes) == bytes);
    CHECK(view(from_b, object_bytes) == bytes);
    std::memcpy(landing.data(), from_a, object_bytes);
  } else {
    CHECK(from_a == landing.data());
    CHECK(from_b == landing.data());
    CHECK(view(landing.data(), object_bytes) == bytes);
  }
  push_blocks(c, cd.first_to_second, 0, 1);
  REQUIRE(world->until([&] { return d.count(Kind::message) == 1; }));
  CHECK(view(from_c, object_bytes) == bytes);
  // Tokens come back when the source may be reused.
  CHECK(world->until([&] { return c.count(Kind::completed) == 17; }));
  for (Node* node : {&a, &b, &c, &d}) node->close();
}

TEST_CASE(
    "a landing that is too short, or none, is invalid where it is needed, and harms nothing") {
  SharedObject scene;
  must(scene.owner->expose(object, scene.memory), "expose");
  const PeerId peer = scene.pair.second_to_first;
  Memory small = must(Memory::create(4096), "memory");
  if (!scene.reader->capabilities().maps) {
    for (Memory* landing : {&small, static_cast<Memory*>(nullptr)}) {
      const auto imported = scene.reader->import_object(peer, object, object_bytes, landing);
      REQUIRE(!imported);
      CHECK(imported.error().code == Code::invalid);
    }
    CHECK(scene.reader->import_object(peer, object, 4097, &small).error().code == Code::invalid);
  } else {
    must(scene.reader->import_object(peer, object, object_bytes, nullptr), "import_object");
    scene.reader->release(peer, object);
  }
  scene.reader->release(peer, object);
  scene.reader->release(peer, RegionId{999});
  // A name is an object's or a replica's.
  must(scene.reader->import(peer, another, 4096), "import");
  CHECK(scene.reader->import_object(peer, another, 4096, &small).error().code == Code::invalid);
  scene.reader->release(peer, another);
  const std::byte* replica = scene.import();
  CHECK(scene.reader->import(peer, object, 4096).error().code == Code::invalid);
  REQUIRE(scene.world->until([&] { return scene.owner.count(Kind::attached) >= 1; }));
  push_blocks(scene.owner, scene.pair.first_to_second, 0, 1);
  REQUIRE(scene.told(1));
  CHECK(view(replica, object_bytes) == scene.bytes);
  CHECK(scene.reader.count(Kind::lost) == 0);
}

TEST_CASE("an object that is imported again attaches again, and is pushed again") {
  SharedObject scene;
  // One import before there is anything, the others after.
  scene.import();
  scene.import();
  scene.world->pass_time(20ms);
  must(scene.owner->expose(object, scene.memory), "expose");
  REQUIRE(scene.attached(2));
  const std::byte* replica = scene.import();
  REQUIRE(scene.attached(3));
  push_blocks(scene.owner, scene.pair.first_to_second, 0, 1);
  REQUIRE(scene.told(1));
  CHECK(view(replica, object_bytes) == scene.bytes);
  Memory other = must(Memory::create(object_bytes), "memory");
  std::memset(scene.landing.data(), 5, object_bytes);
  replica =
      must(scene.reader->import_object(scene.pair.second_to_first, object, object_bytes, &other),
           "import_object");
  REQUIRE(scene.attached(4));
  must(scene.owner->push(object, 0, object_bytes, Lane::bulk), "push");
  must(scene.owner->send(scene.pair.first_to_second, Lane::bulk, as_bytes("all")), "send");
  REQUIRE(scene.told(2));
  CHECK(view(replica, object_bytes) == scene.bytes);
  if (!scene.reader->capabilities().maps) {
    CHECK(replica == other.data());
    CHECK(view(scene.landing.data(), object_bytes) == std::string(object_bytes, '\5'));
  }
  scene.world->pass_time(20ms);
  CHECK(scene.owner.count(Kind::attached) == 4);
  scene.reader.close();  // before the memory
}

TEST_CASE("a landing is the caller's again after release") {
  SharedObject scene;
  must(scene.owner->expose(object, scene.memory), "expose");
  scene.import();
  REQUIRE(scene.attached(1));
  push_blocks(scene.owner, scene.pair.first_to_second, 0, 1);
  REQUIRE(scene.told(1));
  scene.reader->release(scene.pair.second_to_first, object);
  std::memset(scene.landing.data(), 5, object_bytes);
  scene.world->pass_time(20ms);
  // Who has no replica any more is sent nothing: the push completes, and nobody is lost by it.
  const std::size_t completed = scene.owner.count(Kind::completed);
  must(scene.owner->push(object, 0, object_bytes, Lane::bulk, 9), "push");
  CHECK(scene.world->until([&] { return scene.owner.count(Kind::completed) > completed; }));
  CHECK(view(scene.landing.data(), object_bytes) == std::string(object_bytes, '\5'));
  scene.owner->conceal(object);
  // The same memory takes the next object, and the same name stays its owner's.
  const std::string next_bytes = content(2, object_bytes);
  Memory next = filled(next_bytes);
  must(scene.owner->expose(another, next), "expose");
  const std::byte* replica = must(scene.reader->import_object(scene.pair.second_to_first, another,
                                                              object_bytes, &scene.landing),
                                  "import_object");
  REQUIRE(scene.attached(2));
  must(scene.owner->push(another, 0, object_bytes, Lane::bulk), "push");
  must(scene.owner->send(scene.pair.first_to_second, Lane::bulk, as_bytes("all")), "send");
  REQUIRE(scene.told(2));
  CHECK(view(replica, object_bytes) == next_bytes);
  CHECK(scene.reader.count(Kind::lost) == 0);
  CHECK(scene.owner.count(Kind::lost) == 0);
  scene.owner.close();
}

TEST_CASE("one object after another is imported and released, more than may be imported at once") {
  SharedObject scene;
  std::uint64_t number = 1000;
  for (int round = 0; round < 90; ++round) {
    constexpr std::uint64_t at_once = 50;
    const std::size_t before = scene.owner.count(Kind::attached);
    for (std::uint64_t i = 0; i < at_once; ++i) {
      // Half of them end at the owner, the others at the reader.
      must(scene.owner->expose(RegionId{number + i}, scene.memory), "expose");
      must(scene.reader->import_object(scene.pair.second_to_first, RegionId{number + i}, 4096,
                                       &scene.landing),
           "import_object");
    }
    REQUIRE(
        scene.world->until([&] { return scene.owner.count(Kind::attached) == before + at_once; }));
    for (std::uint64_t i = 0; i < at_once; ++i) {
      if (i % 2 == 0) scene.owner->conceal(RegionId{number + i});
      scene.reader->release(scene.pair.second_to_first, RegionId{number + i});
      if (i % 2 != 0) scene.owner->conceal(RegionId{number + i});
    }
    // One that is never exposed, asked for and given up.
    must(scene.reader->import_object(scene.pair.second_to_first, RegionId{number + at_once}, 4096,
                                     &scene.landing),
         "import_object");
    scene.reader->release(scene.pair.second_to_first, RegionId{number + at_once});
    number += at_once + 1;
  }
  CHECK(scene.reader.count(Kind::lost) == 0);
  CHECK(scene.owner.count(Kind::lost) == 0);
}

TEST_CASE("an object may be concealed and its memory go while it is pushed") {
  SharedObject scene;
  for (std::uint64_t round = 0; round < 20; ++round) {
    Memory memory = filled(scene.bytes);
    const RegionId region{100 + round};
    must(scene.owner->expose(region, memory), "expose");
    must(scene.reader->import_object(scene.pair.second_to_first, region, object_bytes,
                                     &scene.landing),
         "import_object");
    REQUIRE(scene.attached(1 + round));
    must(scene.owner->push(region, 0, object_bytes, Lane::bulk), "push");
    scene.owner->flush();
    scene.owner->conceal(region);
    memory = {};
    must(scene.owner->send(scene.pair.first_to_second, Lane::bulk, as_bytes("all")), "send");
    REQUIRE(scene.told(1 + round));
    scene.reader->release(scene.pair.second_to_first, region);
  }
  CHECK(scene.reader.count(Kind::lost) == 0);
  CHECK(scene.owner.count(Kind::lost) == 0);
}

TEST_CASE("a fence does not copy an object, and nothing lands after it") {
  SharedObject scene;
  must(scene.owner->expose(object, scene.memory), "expose");
  const std::byte* replica = scene.import();
  REQUIRE(scene.attached(1));
  push_blocks(scene.owner, scene.pair.first_to_second, 0, 1);
  REQUIRE(scene.told(1));
  scene.reader->disconnect(scene.pair.second_to_first);
  CHECK(view(replica, object_bytes) == scene.bytes);
  scene.memory.data()[100] ^= std::byte{1};
  (void)scene.owner->push(object, 0, object_bytes, Lane::bulk);
  scene.world->pass_time(20ms);
  // Only where it is the owner's own memory can the write be seen: a copy would not show it.
  CHECK((replica[100] != std::byte(scene.bytes[100])) == scene.reader->capabilities().maps);
  CHECK(view(replica + 101, object_bytes - 101) == scene.bytes.substr(101));
  scene.reader->release(scene.pair.second_to_first, object);
  scene.reader->forget(scene.pair.second_to_first);
}

// Owns an object, and pushes it to the parent.
void play_owner(Link& link, const std::string& argument) {
  const Memory memory = filled(content(3, object_bytes));
  Joined joined = join(link);
  Node& node = *joined.node;
  must(node->expose(object, memory), "expose");
  expect(joined.world->until([&] { return node.count(Kind::attached) == 1; }), "attached");
  if (argument == "whole") push_blocks(node, joined.parent, 0, 1);
  for (;;) {
    if (argument == "flood") (void)node->push(object, 0, object_bytes, Lane::bulk);
    joined.world->until([&] { return link.try_hear().has_value(); }, 1ms);
  }
}
const Role owner_role{"object-owner", play_owner};

TEST_CASE("an object stays readable when its owner is killed, until it is released" *
          doctest::skip(!subject().processes)) {
  for (const bool release_first : {true, false}) {
    Memory landing = must(Memory::create(object_bytes), "memory");
    const auto world = subject().make_world();
    Node& node = world->add("reader");
    Child child("object-owner", "whole");
    const PeerId peer = admit(*world, node, child);
    const std::byte* replica =
        must(node->import_object(peer, object, object_bytes, &landing), "import_object");
    REQUIRE(world->until([&] { return node.count(Kind::message) == 1; }));
    child.signal(SIGKILL);
    if (node->capabilities().detects_loss)
      REQUIRE(world->until([&] { return node.count(Kind::lost, peer) == 1; }));
    CHECK(view(replica, object_bytes) == content(3, object_bytes));
    node->disconnect(peer);
    CHECK(view(replica, object_bytes) == content(3, object_bytes));
    if (release_first) node->release(peer, object);
    node->forget(peer);
    node.close();
  }
}

TEST_CASE("a fence amid a flood of blocks leaves the landing as it is then" *
          doctest::skip(!subject().processes)) {
  Memory landing = must(Memory::create(object_bytes), "memory");
  const auto world = subject().make_world();
  Node& node = world->add("reader");
  if (node->capabilities().maps) return;  // nothing lands
  Child child("object-owner", "flood");
  const PeerId peer = admit(*world, node, child);
  must(node->import_object(peer, object, object_bytes, &landing), "import_object");
  const std::string bytes = content(3, object_bytes);
  REQUIRE(world->until([&] { return view(landing.data(), 1000) == bytes.substr(0, 1000); }));
  node->disconnect(peer);
  std::memset(landing.data(), 5, object_bytes);
  node->release(peer, object);
  world->pass_time(50ms);
  CHECK(view(landing.data(), object_bytes) == std::string(object_bytes, '\5'));
  node.close();
}

}  // namespace
}  // namespace squall::conformance
