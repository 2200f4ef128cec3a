// Reads at a shard, by number and by key, from members of any: here if this is one of its, else at
// any member of it; and linearizable ones within each.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>
#include <vector>

#include "groups/object/object_test_kit.h"

namespace squall {
namespace {

struct Store {
  Members members{0};
  std::vector<Object<Inventory>> parts;

  explicit Store(std::size_t count, std::size_t shards) {
    auto configs = make_configs(count, "shm");
    for (Config& config : configs) {
      config.groups = {{.name = "store", .shards = shards, .replicas = 2}};
      config.failure_timeout = std::chrono::seconds(5);
    }
    for (auto& node : start_all(configs)) {
      REQUIRE_MESSAGE(node, (node ? "" : node.error().text()));
      members.nodes.push_back(std::move(*node));
    }
    parts = members.objects<Inventory>();
  }
  std::size_t shard(std::size_t member) {
    return *members.nodes[member]->group("store")->membership().shard;
  }
  /// Somebody of that shard.
  std::size_t one_of(std::size_t wanted) {
    for (std::size_t member = 0; member < parts.size(); ++member)
      if (members.nodes[member] && shard(member) == wanted) return member;
    REQUIRE(false);
    return 0;
  }
  void add(std::size_t member, const std::string& item, int count) {
    auto call = parts[member].update<&Inventory::add>(item, count);
    REQUIRE(members.turn_until([&] { return call.ready(); }));
    REQUIRE(call.get());
  }
};

TEST_CASE("a key is read at its shard, from wherever") {
  Store store(4, 2);
  CHECK(store.parts[0].shards() == 2);
  for (const std::string key : {"bolts", "nuts", "nails", "screws", "glue"})
    store.add(store.one_of(shard_of(key, 2)), key, static_cast<int>(key.size()));
  for (auto& part : store.parts)
    for (const std::string key : {"bolts", "nuts", "nails", "screws", "glue"}) {
      auto read = part.of(key).read<&Inventory::count>(key);
      REQUIRE(store.members.turn_until([&] { return read.ready(); }));
      CHECK(read.get() == static_cast<int>(key.size()));
    }
}

TEST_CASE("another function may say which shard a key is in") {
  Store store(4, 2);
  const auto by_size = [](std::string_view key, std::size_t shards) { return key.size() % shards; };
  store.add(store.one_of(1), "abc", 1);
  for (auto& part : store.parts) {
    auto read = part.of("abc", by_size).read<&Inventory::count>("abc");
    REQUIRE(store.members.turn_until([&] { return read.ready(); }));
    CHECK(read.get() == 1);
  }
}

TEST_CASE("what a method throws, and a shard that is none, are errors of that read") {
  Store store(4, 2);
  for (const std::size_t shard : {0, 1}) {
    auto read = store.parts[0].shard(shard).read<&Inventory::broken>();
    REQUIRE(store.members.turn_until([&] { return read.ready(); }));
    REQUIRE(!read.get());
    CHECK(read.get().error().what == "broken threw: no such luck");
  }
  const auto none = store.parts[0].shard(7).read<&Inventory::count>("bolts").get();
  REQUIRE(!none);
  CHECK(none.error().what == "no shard 7 of the 2 of group store");
  CHECK(none.error().effect == Effect::no);
}

TEST_CASE("if the member that was asked goes, another one of its shard is") {
  Store store(4, 2);
  const std::size_t reader = store.one_of(0);
  store.add(store.one_of(1), "bolts", 3);
  // Nobody of the other shard turns, so the question is not answered; then one of them is gone.
  std::vector<std::size_t> others;
  for (std::size_t member = 0; member < 4; ++member)
    if (store.shard(member) == 1) others.push_back(member);
  for (const std::size_t gone : others) {
    INFO("gone: ", gone);
    auto read = store.parts[reader].shard(1).read<&Inventory::count>("bolts");
    for (int turn = 0; turn < 100; ++turn)
      for (std::size_t member = 0; member < 4; ++member)
        if (store.members.nodes[member] && store.shard(member) == 0)
          store.members.nodes[member]->poll();
    CHECK(!read.ready());
    store.members.nodes[gone].reset();
    // With one member less a shard is short, and says so at last.
    REQUIRE(store.members.turn_until([&] { return read.ready(); }));
    if (gone == others[0]) CHECK(read.get() == 3);
    break;
  }
}

TEST_CASE("linearizable reads see what returned before, at each shard") {
  Store store(4, 2);
  for (const std::size_t shard : {0, 1}) {
    const std::size_t first = store.one_of(shard);
    std::size_t second = first;
    for (std::size_t member = 0; member < 4; ++member)
      if (member != first && store.shard(member) == shard) second = member;
    for (int round = 1; round <= 30; ++round) {
      store.add(round % 2 == 0 ? first : second, "bolts", 1);
      auto read =
          store.parts[round % 2 == 0 ? second : first].linearizable().read<&Inventory::count>(
              "bolts");
      REQUIRE(store.members.turn_until([&] { return read.ready(); }));
      CHECK(read.get() == round);
    }
  }
}

}  // namespace
}  // namespace squall
