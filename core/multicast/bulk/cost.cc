#include "core/multicast/bulk/cost.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "core/base/assert.h"

namespace squall::multicast::bulk {
namespace {

constexpr Kind kinds[] = {Kind::sequential, Kind::chain, Kind::binomial_tree,
                          Kind::binomial_pipeline};

constexpr double ns_per_second = 1e9;
/// A schedule must be quicker than a simpler one by this much to be worth it.
constexpr double worth = 1.01;
/// How much of a latency each block of a pipeline costs, since what a member sends next has often
/// only just come. Seen in runs of bench/schedules, not derived: 0.02 to 0.77 for 4 to 64 members.
constexpr double latency_per_block = 2.0 / 3.0;

struct Times {  // ns
  double object = 0;
  double block = 0;  // the largest
  double latency = 0;
};

unsigned rounds_of(Place members) {
  return static_cast<unsigned>(std::bit_width(members - 1));
}

/// A parent sends the whole object to one child after the other, in rounds, and a child passes a
/// block on as soon as it has it. A place with h bits is h hops away, and its highest bit is the
/// round in which its parent turns to it: the object is waited for once for each round but those
/// that the other hops took, of which each costs a block.
double tree_ns(Place members, const Times& times) {
  double most = 0;
  for (unsigned round = 0; round < rounds_of(members); ++round)
    for (unsigned more = 0; more <= round; ++more) {
      const std::uint64_t nearest = (std::uint64_t{1} << round) + (std::uint64_t{1} << more) - 1;
      if (nearest >= members) break;
      most = std::max(most, (round - more + 1) * times.object + more * times.block +
                                (more + 1) * times.latency);
    }
  return most;
}

double network_ns(Kind kind, Place members, double blocks, const Times& times) {
  switch (kind) {
    case Kind::sequential:
      return (members - 1) * times.object + times.latency;
    case Kind::chain:
      return times.object + (members - 2) * times.block + (members - 1) * times.latency;
    case Kind::binomial_tree:
      return tree_ns(members, times);
    case Kind::binomial_pipeline:
      break;
  }
  if (members <= 3) return network_ns(Kind::chain, members, blocks, times);
  if (blocks == 1) return tree_ns(members, times);
  // A last block that is shorter saves nothing: others still pass on whole ones beside it.
  const double more = rounds_of(members) - 1;
  return (blocks + more) * times.block +
         (1 + more + latency_per_block * (blocks - 1)) * times.latency;
}

}  // namespace

Cost default_cost(const fabric::Capabilities& capabilities) {
  if (capabilities.maps) return {.latency = 100ns, .bytes_per_second = 9e9, .at_once = 1};
  if (capabilities.writes) return {.latency = 1500ns, .bytes_per_second = 12.5e9};
  return {.latency = 6us, .bytes_per_second = 2e9};
}

Cost on_one_host(Cost cost, unsigned cores) {
  const unsigned pairs = std::max(1u, cores / 2);
  cost.at_once = cost.at_once == 0 ? pairs : std::min(cost.at_once, pairs);
  return cost;
}

Duration estimate(Kind kind, Place members, std::uint64_t bytes, std::uint64_t block_bytes,
                  const Cost& cost) {
  SQUALL_ASSERT(members > 0 && block_bytes > 0 && cost.bytes_per_second > 0,
                "an owner, blocks of something, and a link that moves them");
  if (members == 1) return Duration{0};
  const auto ns_of = [&](std::uint64_t some) {
    return static_cast<double>(some) / cost.bytes_per_second * ns_per_second;
  };
  const Times times{ns_of(bytes), ns_of(std::min(bytes, block_bytes)),
                    static_cast<double>(cost.latency.count())};
  const double blocks =
      std::max(1.0, std::ceil(static_cast<double>(bytes) / static_cast<double>(block_bytes)));
  double ns = network_ns(kind, members, blocks, times);
  if (cost.at_once > 0)
    ns = std::max(ns, (members - 1) * times.object / cost.at_once + times.latency);
  return Duration(std::llround(ns));
}

Kind choose(Place members, std::uint64_t bytes, std::uint64_t block_bytes, const Cost& cost) {
  const auto time_of = [&](Kind kind) {
    return static_cast<double>(estimate(kind, members, bytes, block_bytes, cost).count());
  };
  double least = time_of(kinds[0]);
  for (const Kind kind : kinds) least = std::min(least, time_of(kind));
  // Where the cores are the limit, who sends to all by itself is as busy as all cores together, and
  // either waits for the other now and then: short objects go down a tree as soon as that costs
  // the same. Not long ones, nor along a chain: a small message beside them would wait for those
  // who pass blocks on, too (`squall bench objects --beside`).
  constexpr std::uint64_t few_blocks = 4;
  if (cost.at_once > 0 && members > 3 && bytes <= few_blocks * block_bytes &&
      time_of(Kind::binomial_tree) <= worth * least)
    return Kind::binomial_tree;
  return *std::ranges::find_if(kinds, [&](Kind kind) { return time_of(kind) <= worth * least; });
}

}  // namespace squall::multicast::bulk
