// Large objects whose sender, relay or receiver dies on the way, at every step of a small schedule.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/time.h"
#include "groups/simulation/cluster.h"

namespace squall::simulation {
namespace {

using multicast::bulk::Kind;

constexpr Kind kinds[] = {Kind::sequential, Kind::chain, Kind::binomial_tree,
                          Kind::binomial_pipeline};
constexpr std::uint32_t block_bytes = 1024;
constexpr Rank sender = 0;

std::string object_of(std::size_t bytes, char seed) {
  std::string object(bytes, '\0');
  for (std::size_t at = 0; at < bytes; ++at) object[at] = static_cast<char>(seed + at * 31);
  return object;
}

/// Four members; the first sends an object of six blocks between two short messages.
struct World {
  explicit World(Kind kind, Rank members = 4, std::uint64_t seed = 1)
      : object(object_of(5 * block_bytes + 77, static_cast<char>(seed))),
        cluster(options_of(kind, members, seed),
                [this](Rank member, const multicast::Delivery& message) {
                  got[member].emplace_back(as_text(message.bytes));
                }) {
    REQUIRE(cluster.start(Time{} + 1s));
  }
  static Options options_of(Kind kind, Rank members, std::uint64_t seed) {
    Options options;
    options.seed = options.network.seed = seed;
    options.members = members;
    options.ring_bytes = 4096;
    options.bulk.schedule = kind;
    options.bulk.block_bytes = block_bytes;
    options.bulk.window_bytes = block_bytes;
    options.member.patience = 2 * options.member.timing.timeout;
    return options;
  }
  void send() {
    REQUIRE(cluster.try_send(sender, as_bytes("before")));
    REQUIRE(cluster.try_send(sender, as_bytes(object)));
    REQUIRE(cluster.try_send(sender, as_bytes("behind")));
  }
  std::vector<std::string> whole() const { return {"before", object, "behind"}; }
  bool all_have(const std::vector<std::string>& messages) {
    for (Rank member = 0; member < cluster.node_count(); ++member)
      if (cluster.alive(member) && got[member] != messages) return false;
    return true;
  }
  /// Everyone who lives is in one view of that many.
  bool settled(Rank size) {
    for (Rank member = 0; member < cluster.node_count(); ++member)
      if (cluster.alive(member) && (cluster.state(member).view().size() != size ||
                                    cluster.state(member).phase() != engine::Turn::Phase::running))
        return false;
    return true;
  }
  template <class Done>
  bool until(Done done, Duration limit = 5s) {
    return cluster.run_until(done, cluster.now() + limit);
  }

  std::string object;
  std::map<Rank, std::vector<std::string>> got;
  Cluster cluster;
};

TEST_CASE("an object arrives at all members, in its sender's order, by every schedule") {
  for (const Kind kind : kinds)
    for (Rank members = 1; members <= 9; ++members) {
      CAPTURE(multicast::bulk::name(kind));
      CAPTURE(members);
      World world(kind, members);
      world.send();
      REQUIRE(world.until([&] { return world.all_have(world.whole()); }));
    }
}

TEST_CASE("other members' messages do not wait for an object, its sender's do") {
  World world(Kind::chain);
  // The second member takes nothing in for a while.
  world.cluster.network().delay("a", "b", 50ms);
  world.send();
  REQUIRE(world.until([&] { return world.got[3] == std::vector<std::string>{"before"}; }));
  for (int message = 0; message < 10; ++message)
    REQUIRE(world.cluster.try_send(2, as_bytes("quick")));
  REQUIRE(world.until([&] { return world.got[3].size() == 11; }, 200ms));
  CHECK(world.got[3].back() == "quick");
  world.cluster.network().delay("a", "b", Duration{0});
  REQUIRE(world.until([&] { return world.got[3].size() == 13; }));
  CHECK(world.got[3][11] == world.object);
  CHECK(world.got[3][12] == "behind");
}

struct Ends {
  int all = 0, none = 0;  // of it at the survivors
};

/// Kills `victim` once that many turns have passed since the object was sent. False: by then it was
/// delivered everywhere.
bool die_after(Kind kind, Rank victim, int turns, Ends* ends = nullptr) {
  CAPTURE(multicast::bulk::name(kind));
  CAPTURE(victim);
  CAPTURE(turns);
  World world(kind);
  world.send();
  int passed = 0;
  static_cast<void>(world.until([&] { return ++passed >= turns; }));
  if (world.all_have(world.whole())) return false;
  world.cluster.crash(victim);
  REQUIRE(world.until([&] { return world.settled(3); }));
  if (victim != sender) {
    REQUIRE(world.until([&] { return world.all_have(world.whole()); }));
    return true;
  }
  // All of it or none of it, and the same at all.
  REQUIRE(world.cluster.try_send(1, as_bytes("next")));
  REQUIRE(world.until([&] {
    return world.got[1].size() > 0 && world.got[1].back() == "next" && world.all_have(world.got[1]);
  }));
  auto expected = world.whole();
  expected.resize(world.got[1].size() - 1);
  expected.emplace_back("next");
  CHECK(world.got[1] == expected);
  if (ends != nullptr) ++(expected.size() > 2 ? ends->all : ends->none);
  return true;
}

TEST_CASE("its sender dies, at every step: survivors have all of it, or none") {
  for (const Kind kind : kinds) {
    Ends ends;
    for (int turns = 1; die_after(kind, sender, turns, &ends); ++turns) REQUIRE(turns < 2000);
    CHECK(ends.all > 0);
    CHECK(ends.none > 10);
  }
}

TEST_CASE("the first relay dies, at every step: the survivors get it in the next view") {
  for (const Kind kind : kinds)
    for (int turns = 1; die_after(kind, 1, turns); ++turns) REQUIRE(turns < 2000);
}

TEST_CASE("the last receiver dies, at every step: the survivors get it all the same") {
  for (const Kind kind : kinds)
    for (int turns = 1; die_after(kind, 3, turns); ++turns) REQUIRE(turns < 2000);
}

TEST_CASE("who joins while an object travels gets it with the others") {
  World world(Kind::binomial_pipeline);
  world.cluster.network().delay("a", "c", 30ms);
  world.send();
  const Rank joiner = world.cluster.join();
  REQUIRE(world.until([&] { return world.cluster.is_member(joiner) && world.settled(5); }));
  REQUIRE(world.until([&] {
    return world.got[1] == world.whole() && world.got[joiner].size() >= 2 &&
           world.got[joiner].back() == "behind";
  }));
  CHECK(world.got[joiner][world.got[joiner].size() - 2] == world.object);
}

TEST_CASE("many objects of all members at once, more than there is room for") {
  Options options = World::options_of(Kind::binomial_pipeline, 5, 7);
  options.large_memory = 3 * 9 * block_bytes;
  std::map<Rank, std::vector<std::string>> got;
  Cluster cluster(options, [&](Rank member, const multicast::Delivery& message) {
    got[member].emplace_back(as_text(message.bytes));
  });
  REQUIRE(cluster.start(Time{} + 1s));
  std::multiset<std::string> sent;
  std::map<Rank, int> count;
  cluster.set_application([&](Rank member) {
    if (count[member] == 12) return false;
    const auto object = object_of(4096 + static_cast<std::size_t>(count[member]) * 400,
                                  static_cast<char>(member * 16 + count[member]));
    if (!cluster.try_send(member, as_bytes(object))) return false;
    sent.insert(object);
    ++count[member];
    return true;
  });
  REQUIRE(cluster.run_until([&] { return got[0].size() == 60; }, cluster.now() + 5s));
  REQUIRE(cluster.run_until(
      [&] {
        return std::ranges::all_of(got, [&](const auto& each) { return each.second == got[0]; });
      },
      cluster.now() + 1s));
  CHECK(std::multiset<std::string>(got[0].begin(), got[0].end()) == sent);
}

}  // namespace
}  // namespace squall::simulation
