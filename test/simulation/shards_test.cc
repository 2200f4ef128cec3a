// Several channels with members of their own, in one group that loses and gains nodes: each channel
// keeps what its stack promises among those who are in it, and nobody waits for another channel.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "core/base/random.h"
#include "core/membership/layout.h"
#include "groups/simulation/cluster.h"
#include "groups/stack/stack.h"
#include "test/checker/checker.h"
#include "test/simulation/recorder.h"

namespace squall::scenarios {
namespace {

using simulation::Cluster;
using namespace std::chrono_literals;

/// A group, on the channels from `first` on.
struct Placed {
  std::size_t first;
  std::size_t shards;
  membership::Layout layout;
};

class World {
 public:
  World(std::uint64_t seed, Rank members)
      : random_(seed),
        groups_{{0, 1, membership::everyone()},
                {1, 1, membership::named({"b", "d", "f"})},
                {2, 2, membership::sharded(2, 2)}},
        cluster_(options(seed, members), {}) {
    for (Rank node = 0; node < members; ++node) come(node);
    cluster_.set_came([this](Rank node) { come(node); });
    cluster_.set_application([this](Rank node) { return application(node); });
  }

  void run_for(Duration time) {
    for (const Time end = cluster_.now() + time; cluster_.now() < end;) {
      // Applications have something to send now and then.
      for (Rank node = 0; node < cluster_.node_count(); ++node)
        if (cluster_.alive(node)) cluster_.wake(node);
      cluster_.run_until([] { return false; }, std::min(end, cluster_.now() + 200us));
    }
  }
  /// Time for a crash to be noticed.
  void wait_for_view() {
    run_for(2ms);
    sending_ = false;
    cluster_.run_until([] { return false; }, cluster_.now() + 450ms);
    sending_ = true;
  }
  /// Everyone who is alive has what everyone alive in its channels has sent, and one view.
  bool quiet() {
    sending_ = false;
    return cluster_.run_until([this] { return settled(); }, cluster_.now() + 5s);
  }
  void crash(Rank node) {
    if (!cluster_.alive(node)) return;
    cluster_.crash(node);
    for (auto& [channel, trace] : traces_) trace.end(node);
  }

  Cluster& cluster() { return cluster_; }
  Random& random() { return random_; }
  std::size_t deliveries() const { return deliveries_; }

  /// The members of a channel at the lowest node that is alive.
  std::string members(std::size_t channel) {
    for (Rank node = 0; node < cluster_.node_count(); ++node) {
      if (!up(node)) continue;
      const View& view = cluster_.state(node).view();
      std::string names;
      for (const Rank rank : view.seating[channel].members) names += view.members[rank].name;
      return names;
    }
    return "nobody";
  }

  std::string violations() {
    std::string text;
    for (auto& [channel, trace] : traces_) {
      const auto found = trace.trace().check({.quiesced = true});
      if (!found.empty())
        text += fmt::format("channel {} since view {}: {}\n", channel.first, raw(channel.second),
                            checker::report(found, trace.trace().events(), 60));
    }
    return text + wrong_;
  }

 private:
  static constexpr std::size_t channels = 4;

  simulation::Options options(std::uint64_t seed, Rank members) {
    simulation::Options options;
    options.seed = seed;
    options.members = members;
    options.network.seed = seed;
    options.network.jitter = 20us;
    const auto stack = Stack::parse("total | stable")->prepare();
    simulation::Options::Channels made;
    for (std::size_t channel = 0; channel < channels; ++channel)
      made.plans.push_back(
          {fmt::format("channel {}", channel), {}, true, std::size_t{1} << 13, stack->stages});
    // The shards of a group are one member's ring.
    for (const Placed& group : groups_)
      for (std::size_t shard = 0; shard < group.shards; ++shard)
        made.plans[group.first + shard].ring = group.first;
    made.deliver = [this](Rank node, std::size_t channel, const multicast::Delivery& message) {
      deliver(node, channel, message);
    };
    made.state = [this](Rank node, std::size_t channel) {
      return state_hooks(
          2000, [this, node, channel] { return trace(node, channel).past(node).encode(); },
          [this, node, channel](Bytes bytes) -> Result<> {
            auto past = Past::decode(bytes);
            if (!past) return tl::unexpected(past.error());
            // Who comes into one more channel has the state before its first view there.
            if (now_in_.contains({node, channel}))
              trace(node, channel).load(node, std::move(*past));
            else
              loaded_.insert_or_assign({node, channel}, std::move(*past));
            return {};
          });
    };
    options.channels = std::move(made);
    options.member.seat = [this](const View* before, View& next) {
      next.seating.resize(channels);
      for (const Placed& group : groups_)
        static_cast<void>(membership::seat(group.layout, group.first, group.shards, before, next));
    };
    return options;
  }

  bool up(Rank node) const {
    return cluster_.alive(node) && cluster_.is_member(node) &&
           cluster_.state(node).phase() == engine::Turn::Phase::running;
  }

  void come(Rank node) {
    const View& view = cluster_.state(node).view();
    for (std::size_t channel = 0; channel < channels; ++channel) {
      now_in_.erase({node, channel});
      loaded_.erase({node, channel});
      install(node, channel, view);
      cluster_.turn(node).on_channel_view(
          channel, [this, node, channel](const engine::Installed& installed) {
            install(node, channel, installed.view);
          });
    }
  }

  void install(Rank node, std::size_t channel, const View& view) {
    const Seating& seating = view.seating[channel];
    const auto me = view.rank_of(NodeId{node + 1});
    if (std::ranges::find(seating.members, *me) == seating.members.end()) return;
    View seen{view.id, {}};
    for (const Rank rank : seating.members) seen.members.push_back(view.members[rank]);
    const bool first = !now_in_.contains({node, channel});
    now_in_.insert_or_assign({node, channel}, seating);
    Recorder& trace = traces_[{channel, seating.since}];
    if (!first) return trace.install(node, seen);
    trace.begin(node, cluster_.run_of(node), seen);
    if (auto state = loaded_.extract({node, channel})) trace.load(node, state.mapped());
  }

  Recorder& trace(Rank node, std::size_t channel) {
    return traces_[{channel, now_in_.at({node, channel}).since}];
  }

  void deliver(Rank node, std::size_t channel, const multicast::Delivery& message) {
    ++deliveries_;
    const Seating& seating = now_in_.at({node, channel});
    Recorder& to = trace(node, channel);
    const auto at = std::ranges::find(seating.members, message.sender);
    if (at == seating.members.end()) {
      wrong_ += fmt::format("node {} gets a message of rank {} in channel {}\n", node,
                            message.sender, channel);
      return;
    }
    multicast::Delivery seen = message;
    seen.sender = static_cast<Rank>(at - seating.members.begin());
    to.deliver(node, seen);
    // Replica equality: at one position there is one state, at whoever has it.
    const Past& past = to.past(node);
    const auto [known, is_first] =
        states_.emplace(std::tuple(channel, seating.since, past.version), past);
    if (!is_first && known->second != past && wrong_.size() < 2000)
      wrong_ += fmt::format("channel {} at position {}: node {} has another state\n", channel,
                            past.version, node);
  }

  bool application(Rank node) {
    if (!sending_ || !up(node) || cluster_.now() < next_send_[node]) return false;
    next_send_[node] = cluster_.now() + std::chrono::microseconds(random_.below(400));
    const std::size_t channel = random_.below(channels);
    if (!now_in_.contains({node, channel}) || !cluster_.state(node).place(channel).self)
      return false;
    std::vector<std::byte> message(random_.below(200));
    for (std::byte& byte : message) byte = static_cast<std::byte>(random_.next());
    if (!cluster_.try_send(node, message, channel)) return false;
    trace(node, channel).send(node, message);
    return true;
  }

  bool settled() {
    std::optional<ViewId> id;
    for (Rank node = 0; node < cluster_.node_count(); ++node) {
      if (!cluster_.alive(node)) continue;
      if (!up(node) || cluster_.state(node).arriving()) return false;
      const View& view = cluster_.state(node).view();
      if (id && view.id != *id) return false;
      id = view.id;
      for (const Member& member : view.members) {
        const auto other = static_cast<Rank>(raw(member.id) - 1);
        if (!cluster_.alive(other) || cluster_.run_of(other) != member.incarnation) return false;
      }
    }
    for (const auto& [key, seating] : now_in_) {
      const auto [node, channel] = key;
      if (!up(node)) continue;
      for (Rank other = 0; other < cluster_.node_count(); ++other)
        if (up(other) && now_in_.contains({other, channel}) &&
            now_in_.at({other, channel}).since == seating.since &&
            trace(node, channel).delivered(node, other) < trace(other, channel).sent(other))
          return false;
    }
    return true;
  }

  Random random_;
  std::vector<Placed> groups_;
  std::map<std::pair<std::size_t, ViewId>, Recorder> traces_;  // of a channel, since when
  std::map<std::pair<Rank, std::size_t>, Seating> now_in_;     // node and channel: as it was told
  std::map<std::pair<Rank, std::size_t>, Past> loaded_;        // and the state that it got
  std::map<std::tuple<std::size_t, ViewId, std::uint64_t>, Past> states_;
  std::string wrong_;
  std::size_t deliveries_ = 0;
  bool sending_ = true;
  std::map<Rank, Time> next_send_;
  Cluster cluster_;
};

TEST_CASE("shards that cannot be filled wait, and the other channels do not") {
  World world(1, 3);
  world.run_for(20ms);
  CHECK(world.members(0) == "abc");
  CHECK(world.members(1) == "b");
  CHECK(world.members(2).empty());
  const std::size_t before = world.deliveries();
  CHECK(before > 100);
  world.cluster().join();
  world.run_for(50ms);
  CHECK(world.members(0) == "abcd");
  CHECK(world.members(1) == "bd");
  CHECK(world.members(2) == "ac");
  CHECK(world.members(3) == "bd");
  REQUIRE(world.quiet());
  CHECK(world.deliveries() > before);
  CHECK_MESSAGE(world.violations().empty(), world.violations());
}

TEST_CASE("who is lost from a shard is replaced by one that gets its state") {
  World world(2, 5);
  world.run_for(20ms);
  CHECK(world.members(2) == "ac");
  CHECK(world.members(3) == "bd");
  world.crash(2);
  world.wait_for_view();
  world.run_for(5ms);
  CHECK(world.members(2) == "ae");
  CHECK(world.members(3) == "bd");
  REQUIRE(world.quiet());
  CHECK_MESSAGE(world.violations().empty(), world.violations());
}

TEST_CASE("seeds: nodes crash, join and run again, and every channel keeps its promises") {
  std::size_t deliveries = 0, changes = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    World world(seed, static_cast<Rank>(4 + seed % 4));
    Random random(seed * 977);
    std::set<Rank> down;
    for (int step = 0; step < 5; ++step) {
      world.run_for(std::chrono::microseconds(random.below(8'000)));
      const Rank nodes = world.cluster().node_count();
      const auto any = static_cast<Rank>(random.below(nodes));
      if (random.one_in(2) && down.empty() && world.cluster().is_member(any)) {
        world.crash(any);
        down.insert(any);
        // A majority has to be left each time.
        world.wait_for_view();
      } else if (random.one_in(2) && !down.empty()) {
        world.cluster().restart(*down.begin());
        down.clear();
      } else if (nodes < 9) {
        world.cluster().join();
      }
      ++changes;
    }
    const bool quiet = world.quiet();
    CHECK(quiet);
    const std::string violations = world.violations();
    REQUIRE_MESSAGE(violations.empty(), violations);
    deliveries += world.deliveries();
    if (!quiet) break;
  }
  MESSAGE(deliveries << " deliveries, " << changes << " changes");
  CHECK(deliveries > 100'000);
}

}  // namespace
}  // namespace squall::scenarios
