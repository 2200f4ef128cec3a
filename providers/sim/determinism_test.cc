// The same seed and the same calls give the same trace.

#include <doctest/doctest.h>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/random.h"
#include "core/base/time.h"
#include "core/fabric/fabric.h"
#include "core/fabric/memory.h"
#include "providers/sim/options.h"
#include "providers/sim/sim.h"
#include "providers/sim/test_pair.h"

namespace squall::sim {
namespace {

/// Four nodes that push, send, cut, crash and disconnect at random.
std::pair<std::uint64_t, std::string> random_run(std::uint64_t seed) {
  Options options;
  options.seed = seed;
  options.jitter = 300us;
  options.keep_trace = true;
  Network network(options);
  Random random(seed);
  const std::vector<std::string> names{"a", "b", "c", "d"};
  std::vector<Memory> memories;
  std::vector<std::unique_ptr<fabric::Fabric>> nodes;
  for (const std::string& name : names) {
    nodes.push_back(network.open(name));
    memories.push_back(Memory::create(4096).value());
    REQUIRE(nodes.back()->expose(region, memories.back()));
  }
  for (std::size_t i = 0; i < nodes.size(); ++i)
    for (std::size_t j = 0; j < nodes.size(); ++j)
      if (i != j)
        REQUIRE(nodes[i]->import(nodes[i]->connect(names[j], ticket).value(), region, 4096));
  for (int turn = 0; turn < 200; ++turn) {
    network.run_until(network.now() + Duration(random.below(100'000)));
    const auto i = static_cast<std::size_t>(random.below(4));
    const auto j = static_cast<std::size_t>(random.below(4));
    const auto peer = PeerId(random.below(3));
    const auto lane = Lane(random.below(2));
    const auto offset = static_cast<std::size_t>(random.below(2048));
    switch (random.below(40)) {
      case 0:
        network.cut(names[i], names[j]);
        break;
      case 1:
        network.heal(names[i], names[j]);
        break;
      case 2:
        network.delay(names[i], names[j], Duration(random.below(1'000'000)));
        break;
      case 3:
        network.slow(names[i], Duration(random.below(1'000'000)));
        break;
      case 4:
        if (random.one_in(3)) network.crash(names[i]);
        break;
      case 5:
        if (random.one_in(3)) nodes[i]->disconnect(peer);
        break;
      default:
        break;
    }
    memories[i].data()[offset] = std::byte(random.below(256));
    (void)nodes[i]->push(region, offset, static_cast<std::size_t>(random.below(2048)), lane, 1);
    (void)nodes[i]->send(peer, lane, as_bytes(std::to_string(turn)), 2);
    nodes[i]->flush();
    poll(*nodes[j]);
  }
  network.run_until(network.now() + 10s);
  for (const auto& node : nodes) poll(*node);
  return {network.trace_hash(), std::string(network.trace())};
}

TEST_CASE("the same seed gives the same trace, byte for byte, and another seed another") {
  std::set<std::uint64_t> hashes;
  std::set<std::string> traces;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    const auto first = random_run(seed);
    const auto second = random_run(seed);
    CHECK(first.first == second.first);
    CHECK(first.second == second.second);
    hashes.insert(first.first);
    traces.insert(first.second);
  }
  CHECK(hashes.size() == 100);
  CHECK(traces.size() == 100);
}

TEST_CASE("the network's own seed alone changes the trace") {
  std::set<std::uint64_t> hashes;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Options options = plain();
    options.jitter = 50us;
    options.seed = seed;
    Pair pair(options);
    for (int i = 0; i < 20; ++i)
      REQUIRE(pair.a->send(pair.to_b, Lane::urgent, as_bytes(std::to_string(i))));
    pair.a->flush();
    pair.network.run_until(after(1s));
    CHECK(messages(poll(*pair.b)).size() == 20);
    hashes.insert(pair.network.trace_hash());
  }
  CHECK(hashes.size() == 20);
}

}  // namespace
}  // namespace squall::sim
