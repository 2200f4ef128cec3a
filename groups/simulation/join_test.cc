// Nodes that come into simulated groups, and come again.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "groups/simulation/cluster.h"

namespace squall::simulation {
namespace {

/// A group whose state is the text of everything delivered.
struct World {
  explicit World(Rank members, std::uint64_t seed = 1, std::size_t ballast = 0,
                 std::uint64_t laziness = 1)
      : cluster(options(members, seed, ballast, laziness),
                [this](Rank member, const auto& message) {
                  text_of(member) += as_text(message.bytes);
                }) {
    cluster.set_came([this](Rank member) { text_of(member).clear(); });
  }

  Options options(Rank members, std::uint64_t seed, std::size_t ballast, std::uint64_t laziness) {
    Options options;
    options.seed = options.network.seed = seed;
    options.members = members;
    options.laziness.assign(members, laziness);
    if (laziness > 1) options.network.loss_detection = Duration{0};
    options.state = [this, ballast](Rank member) {
      engine::StateHooks hooks;
      hooks.save = [this, member, ballast]() -> engine::StateSource {
        return [all = std::string(ballast, '.') + text_of(member),
                at = std::size_t{0}](MutableBytes to) mutable -> Result<std::size_t> {
          const std::size_t count = std::min(to.size(), all.size() - at);
          std::memcpy(to.data(), all.data() + at, count);
          at += count;
          return count;
        };
      };
      hooks.load = [this, member, ballast](Bytes piece, bool last) -> Result<> {
        std::string& text = text_of(member);
        text += as_text(piece);
        if (last) text.erase(0, ballast);
        return {};
      };
      return hooks;
    };
    return options;
  }
  std::string& text_of(Rank member) {
    if (member >= texts.size()) texts.resize(member + 1);
    return texts[member];
  }
  void send(Rank member, std::string_view text) {
    REQUIRE(cluster.try_send(member, as_bytes(text)));
  }
  bool settled(Rank size) const {
    for (Rank member = 0; member < cluster.node_count(); ++member) {
      if (!cluster.alive(member)) continue;
      if (!cluster.is_member(member)) return false;
      const auto& turn = cluster.state(member);
      if (turn.phase() != engine::Turn::Phase::running || turn.view().size() != size ||
          turn.arriving())
        return false;
    }
    return true;
  }
  void settle(Rank size) {
    REQUIRE(cluster.run_until([&] { return settled(size); }, cluster.now() + 5s));
  }
  void run(Duration time) {
    cluster.run_until([] { return false; }, cluster.now() + time);
  }
  /// It dies after that time; the other three go on.
  void go_on_without(Rank member, Duration after) {
    run(after);
    cluster.crash(member);
    settle(3);
    send(0, "on");
    run(20ms);
    expect_everywhere("on");
  }
  void expect_everywhere(const std::string& text) {
    for (Rank member = 0; member < cluster.node_count(); ++member)
      if (cluster.alive(member)) CHECK(texts[member] == text);
  }

  std::vector<std::string> texts;
  Cluster cluster;
};

TEST_CASE("a node joins, has what was there, and gets what comes") {
  World world(3);
  REQUIRE(world.cluster.start(Time{} + 1s));
  world.send(0, "a");
  world.run(10ms);
  const Rank d = world.cluster.join();
  world.settle(4);
  CHECK(world.texts[d] == "a");
  world.send(d, "d");
  world.send(1, "b");
  world.run(10ms);
  CHECK(world.texts[d].size() == 3);
  world.expect_everywhere(world.texts[0]);
}

TEST_CASE("fast_restart_same_identity") {
  // It runs again before anybody has noticed that it was gone.
  World world(3);
  REQUIRE(world.cluster.start(Time{} + 1s));
  world.send(2, "c");
  world.run(10ms);
  world.cluster.crash(2);
  world.cluster.restart(2);
  world.settle(3);
  CHECK(raw(world.cluster.state(0).view().members[2].incarnation) == 2);
  CHECK(raw(world.cluster.state(0).view().id) == 3);  // out, and in again
  CHECK(world.texts[2] == "c");
}

TEST_CASE("herd_join") {
  World world(1);
  REQUIRE(world.cluster.start(Time{} + 1s));
  for (int count = 0; count < 7; ++count) world.cluster.join();
  world.settle(8);
  // Never more joiners at a time than members.
  CHECK(raw(world.cluster.state(0).view().id) >= 4);
  for (Rank member = 0; member < 8; ++member)
    world.send(member, std::string(1, static_cast<char>('a' + member)));
  world.run(50ms);
  CHECK(world.texts[0].size() == 8);
  world.expect_everywhere(world.texts[0]);
}

TEST_CASE("joiner_dies_during_state_transfer") {
  for (const Duration after : {1ms, 3ms, 10ms, 20ms}) {
    World world(3, 1, 3'000'000);
    REQUIRE(world.cluster.start(Time{} + 1s));
    const Rank d = world.cluster.join();
    REQUIRE(world.cluster.run_until([&] { return world.cluster.is_member(d); },
                                    world.cluster.now() + 5s));
    world.go_on_without(d, after);
  }
}

TEST_CASE("a joiner that dies while the others connect to it costs none of them its place") {
  // Who turns seldom hears of the connection and of its end at once.
  for (const std::uint64_t laziness : {1, 20})
    for (Duration after{0}; after < 400us; after += 4us) {
      CAPTURE(after.count());
      World world(3, 1 + static_cast<std::uint64_t>(after.count()), 0, laziness);
      REQUIRE(world.cluster.start(Time{} + 1s));
      const Rank d = world.cluster.join();
      REQUIRE(world.cluster.run_until([&] { return raw(world.cluster.state(0).view().id) == 2; },
                                      world.cluster.now() + 5s));
      world.go_on_without(d, after);
    }
}

TEST_CASE("whoever sends the state dies: another goes on, and messages of meanwhile are not lost") {
  for (Rank victim = 0; victim < 3; ++victim) {
    World world(4, 1, 10'000'000);
    REQUIRE(world.cluster.start(Time{} + 1s));
    world.send(3, "before ");
    world.run(10ms);
    const Rank e = world.cluster.join();
    REQUIRE(world.cluster.run_until([&] { return world.cluster.is_member(e); },
                                    world.cluster.now() + 5s));
    world.run(500us);
    world.send(3, "during ");
    CHECK(world.cluster.state(e).arriving());
    world.cluster.crash(victim);
    world.settle(4);
    world.send(3, "after");
    world.run(20ms);
    world.expect_everywhere("before during after");
  }
}

TEST_CASE("the coordinator, and whom it asked, die while a node joins; it comes in all the same") {
  for (std::size_t ballot = 1; ballot <= 12; ++ballot) {
    World world(5, ballot);
    REQUIRE(world.cluster.start(Time{} + 1s));
    world.cluster.crash_before_ballot(0, ballot);
    world.cluster.join();
    world.run(2s);
    const bool died = !world.cluster.alive(0);
    world.settle(died ? 5 : 6);
    world.send(1, "on");
    world.run(20ms);
    world.expect_everywhere("on");
  }
}

}  // namespace
}  // namespace squall::simulation
