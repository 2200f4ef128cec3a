// A starving, a lazy and a slow member must not slow the others for good: bounds of virtual time.

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "groups/simulation/cluster.h"

namespace squall::scenarios {
namespace {

constexpr Time limit = Time{} + 10s;

struct Group {
  explicit Group(const simulation::Options& options)
      : cluster(options, [this](Rank member, const multicast::Delivery&) { ++got[member]; }),
        got(options.members),
        sent(options.members),
        wanted(options.members) {
    REQUIRE(cluster.start(limit));
    cluster.set_application([this](Rank member) {
      if (sent[member] == wanted[member] || !cluster.try_send(member, as_bytes(message)))
        return false;
      ++sent[member];
      return true;
    });
  }
  /// How long it takes until each member but `without` has delivered `count` more of each `who`.
  Duration exchange(const std::vector<Rank>& who, std::size_t count, Rank without = UINT32_MAX) {
    const Time begin = cluster.now();
    for (const Rank rank : who) wanted[rank] += count;
    all += who.size() * count;
    REQUIRE(cluster.run_until(
        [&] {
          for (Rank rank = 0; rank < got.size(); ++rank)
            if (rank != without && got[rank] < all) return false;
          return true;
        },
        limit));
    return cluster.now() - begin;
  }
  std::string message = std::string(100, 'm');
  simulation::Cluster cluster;
  std::vector<std::size_t> got, sent, wanted;
  std::size_t all = 0;
};

simulation::Options four() {
  simulation::Options options;
  options.members = 4;
  options.ring_bytes = 4096;
  return options;
}

TEST_CASE(
    "senders that never send do not slow the one that does: at most twice the time it takes "
    "alone") {
  simulation::Options alone = four();
  alone.senders = {1};
  const Duration least = Group(alone).exchange({1}, 500);
  CHECK(Group(four()).exchange({1}, 500) <= 2 * least);
}

TEST_CASE(
    "a sender that turns once in 30 rounds does not hold up the others for longer than its "
    "turns are apart") {
  simulation::Options options = four();
  options.laziness = {1, 1, 30, 1};
  Group group(options);
  // A ring of 4096 bytes takes 32 frames; each ring-full waits for the lazy member's consumption
  // and promise, a few of its turns (30 us on average) and of the latency (20 us).
  constexpr int messages = 320, ring_fulls = messages / 32;
  CHECK(group.exchange({0, 1, 3}, messages) <= 2 * ring_fulls * 4 * (30us + 20us + 100us));
}

TEST_CASE("a member that was slow for a while costs that while: afterwards all is as before") {
  Group group(four());
  const std::vector<Rank> all{0, 1, 2, 3};
  const Duration before = group.exchange(all, 200);
  group.cluster.network().slow("c", 2ms);
  const Duration during = group.exchange(all, 200);
  group.cluster.network().slow("c", 0ms);
  group.exchange(all, 20);  // what was under way
  const Duration after = group.exchange(all, 200);
  CHECK(during > 2 * before);
  CHECK(after <= before + before / 4);
}

TEST_CASE("a one-way cut stalls the group, and its healing lets everything through") {
  Group group(four());
  group.exchange({0, 1, 2, 3}, 50);
  group.cluster.network().cut("a", "d");
  group.wanted[0] += 50;
  const Time begin = group.cluster.now();
  // Nothing is stable without d.
  CHECK_FALSE(group.cluster.run_until([&] { return group.got[1] > group.all; }, begin + 20ms));
  group.cluster.network().heal("a", "d");
  group.all += 50;
  CHECK(group.exchange({}, 0) < 5ms);
}

}  // namespace
}  // namespace squall::scenarios
