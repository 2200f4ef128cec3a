// Random runs of whole views: faults from a seed, and what the rules promise whatever they were.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <vector>

#include "core/base/random.h"
#include "core/membership/suspicion_world.h"

namespace squall::membership {
namespace {

Duration up_to(Random& random, Duration limit) {
  return Duration(random.below(static_cast<std::uint64_t>(limit.count())));
}

/// A network that loses one pulse in `loss_one_in` and delays the others, each on its own.
World::Network bad_network(Random& random, std::uint64_t loss_one_in, Duration most) {
  return [&random, loss_one_in, most](Rank, Rank) -> std::optional<Duration> {
    if (random.one_in(loss_one_in)) return std::nullopt;
    return 20us + up_to(random, most);
  };
}

/// Lets a second pass in which members pause now and then, each pause at least 100 ms after the
/// last of the same member.
void busy_second(World& world, Random& random, Duration longest_pause) {
  for (int i = 0; i < 5; ++i) {
    for (Rank rank = 0; rank < world.size(); ++rank)
      if (random.one_in(4)) world.stall(rank, up_to(random, longest_pause));
    world.run(200ms);
  }
}

/// SQUALL_SEEDS=100 runs a hundred times as many.
std::uint64_t seeds(std::uint64_t usual) {
  const char* times = std::getenv("SQUALL_SEEDS");
  return times == nullptr ? usual : usual * std::strtoull(times, nullptr, 10);
}

struct Link {
  Rank a = 0;  // before b
  Rank b = 0;
};

Link random_link(Random& random, Rank members) {
  const auto a = static_cast<Rank>(random.below(members));
  const auto b = static_cast<Rank>((a + 1 + random.below(members - 1)) % members);
  return {std::min(a, b), std::max(a, b)};
}

/// One of the ways in which a link can go bad.
void break_link(World& world, Random& random, const Link& link) {
  switch (random.below(5)) {
    case 0:
      world.cut_one_way(link.a, link.b);
      break;
    case 1:
      world.cut_one_way(link.b, link.a);
      break;
    case 2:
      world.cut(link.a, link.b);
      break;
    case 3:  // only data, and only one end notices
      if (random.one_in(2))
        world.lose_link(link.a, link.b);
      else
        world.lose_link(link.b, link.a);
      break;
    default:
      world.cut(link.a, link.b);
      world.lose_link(link.a, link.b);
      world.lose_link(link.b, link.a);
  }
}

TEST_CASE("delay, lost pulses and pauses below half the timeout cost nobody") {
  for (std::uint64_t seed = 1; seed <= seeds(12); ++seed) {
    CAPTURE(seed);
    Random random(seed);
    World world(static_cast<Rank>(2 + random.below(4)));
    world.set_network(bad_network(random, 20, 15ms));
    for (int i = 0; i < 10; ++i) busy_second(world, random, fast.timeout / 2);
    CHECK(world.nobody_suspected());
  }
}

TEST_CASE("one bad link costs exactly its later end, whatever the delays") {
  for (std::uint64_t seed = 1; seed <= seeds(60); ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const auto members = static_cast<Rank>(3 + random.below(3));
    World world(members);
    world.set_network(bad_network(random, 50, 15ms));
    world.run(500ms + up_to(random, 50ms));
    const Link link = random_link(random, members);
    CAPTURE(members);
    CAPTURE(link.a);
    CAPTURE(link.b);
    break_link(world, random, link);
    busy_second(world, random, fast.timeout / 4);
    world.run(1s);
    RankSet end;
    end.insert(link.b);
    for (Rank rank = 0; rank < members; ++rank) {
      if (rank == link.b) {
        // It may be wrong about the other end, and knows that it is not believed.
        CHECK(world[rank].suspicion.accused_by_earlier());
        CHECK(world.suspects(rank).size() <= 1);
      } else {
        CHECK(world.suspects(rank) == end);
        CHECK(!world[rank].suspicion.accused_by_earlier());
      }
    }
  }
}

TEST_CASE("a link that is bad for about the timeout costs its later end or nobody, for all alike") {
  int cost = 0, free = 0;
  for (std::uint64_t seed = 1; seed <= seeds(120); ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const auto members = static_cast<Rank>(3 + random.below(3));
    World world(members);
    world.set_network(bad_network(random, 50, 15ms));
    world.run(500ms + up_to(random, 50ms));
    const Link link = random_link(random, members);
    if (random.one_in(2)) world.cut_one_way(link.a, link.b);
    if (random.one_in(2)) world.cut_one_way(link.b, link.a);
    world.run(fast.timeout - 20ms + up_to(random, 60ms));
    world.heal();
    world.run(1s);
    RankSet end;
    end.insert(link.b);
    const RankSet suspects = world.suspects(link.a);
    CHECK((suspects - end).empty());
    for (Rank rank = 0; rank < members; ++rank)
      if (rank != link.b) CHECK(world.suspects(rank) == suspects);
    if (suspects.empty()) CHECK(world.suspects(link.b).empty());
    ++(suspects.empty() ? free : cost);
  }
  CHECK(cost > 10);
  CHECK(free > 10);
}

TEST_CASE("a killed member and a bad link cost those two, and leave somebody to lead") {
  for (std::uint64_t seed = 1; seed <= seeds(60); ++seed) {
    CAPTURE(seed);
    Random random(seed);
    World world(5);
    world.set_network(bad_network(random, 50, 15ms));
    world.run(500ms + up_to(random, 50ms));
    const Link link = random_link(random, 5);
    const auto killed = static_cast<Rank>(random.below(5));
    CAPTURE(link.a);
    CAPTURE(link.b);
    CAPTURE(killed);
    break_link(world, random, link);
    world.run(up_to(random, 400ms));
    world.kill(killed);
    world.run(2s);

    RankSet mayfall;
    mayfall.insert(link.b);
    mayfall.insert(killed);
    RankSet core = RankSet::all(5) - mayfall;
    // All that stay agree, and so on who leads them; nobody keeps that one from it.
    for (Rank rank = 0; rank < 5; ++rank) {
      if (!core.contains(rank)) continue;
      CHECK(world.suspects(rank).contains(killed));
      CHECK((world.suspects(rank) - mayfall).empty());
      CHECK(world.suspects(rank) == world.suspects(core.first()));
      CHECK(!world[rank].suspicion.accused_by_earlier());
    }
    const RankSet left = RankSet::all(5) - world.suspects(core.first());
    CHECK(!world[left.first()].suspicion.accused_by_earlier());
  }
}

TEST_CASE("several bad links cost at most the later end of each, and who they cut off") {
  int judged = 0;
  for (std::uint64_t seed = 1; seed <= seeds(60); ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const auto members = static_cast<Rank>(4 + random.below(3));
    World world(members);
    world.set_network(bad_network(random, 50, 15ms));
    world.run(500ms + up_to(random, 50ms));
    std::vector<Link> links;
    for (std::uint64_t count = 2 + random.below(3); count > 0; --count) {
      links.push_back(random_link(random, members));
      break_link(world, random, links.back());
      if (random.one_in(2)) world.run(up_to(random, 300ms));
    }
    busy_second(world, random, fast.timeout / 4);
    world.run(2s);

    RankSet whole = RankSet::all(members), may_fall;
    for (const Link& link : links) {
      whole.erase(link.a), whole.erase(link.b);
      may_fall.insert(link.b);
    }
    for (Rank rank = 0; rank < members; ++rank) {
      RankSet reached = RankSet::all(members);
      for (const Link& link : links)
        if (link.a == rank || link.b == rank) reached.erase(link.a == rank ? link.b : link.a);
      if (!is_majority(reached, members)) may_fall.insert(rank);
    }
    for (Rank rank = 0; rank < members; ++rank) {
      if (!whole.contains(rank)) continue;
      ++judged;
      CHECK((world.suspects(rank) - may_fall).empty());
      CHECK(world.suspects(rank) == world.suspects(whole.first()));
      CHECK(!world[rank].suspicion.accused_by_earlier());
      for (const Link& link : links) {
        const RankSet suspects = world.suspects(rank);
        CHECK((suspects.contains(link.a) || suspects.contains(link.b)));
      }
    }
  }
  CHECK(judged > 30);
}

}  // namespace
}  // namespace squall::membership
