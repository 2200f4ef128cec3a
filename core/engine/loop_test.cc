// When the loop polls its fabric and when it lets that wait, in a group of one member on a fabric
// that has nothing to say.

#include "core/engine/loop.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "core/fabric/null_fabric.h"
#include "core/multicast/stage.h"

namespace squall::engine {
namespace {

/// Delivers what was received, of its only sender.
class Received final : public multicast::Order {
 public:
  void step(const multicast::StageInput& input, mirror::Table&,
            multicast::StageOutput& output) override {
    std::ranges::copy(input.below, output.frontier.begin());
  }
  void close(multicast::Frontier) const override {}
  std::size_t walk(multicast::ConstFrontier heads, multicast::ConstFrontier to,
                   std::span<multicast::Run> runs) const override {
    if (heads[0] >= to[0]) return 0;
    runs[0] = {0, to[0]};
    return 1;
  }
};

class SilentFabric final : public fabric::NullFabric {
 public:
  std::size_t poll(std::span<fabric::Event>) override { return ++polls, 0; }

  int polls = 0;
};

struct Scene {
  explicit Scene(bool crowded = false)
      : turn(fabric, View{ViewId{1}, {{.id = NodeId{1}, .name = "a"}}}, 0, {Contact{}}, {plan()},
             {}, Monotonic::now()),
        loop(fabric, turn, crowded, {}) {
    turn.on_deliver(0, [this](const multicast::Delivery&) { ++delivered; });
    while (turn.phase() != Turn::Phase::running || loop.poll()) loop.poll();
    fabric.polls = 0;
  }
  static ChannelPlan plan() {
    ChannelPlan plan;
    plan.everyone_sends = true;
    plan.ring_bytes = 4096;
    plan.factory = [](const multicast::Shape&, mirror::TableLayout&) {
      multicast::Stages stages;
      stages.order = std::make_unique<Received>();
      return stages;
    };
    return plan;
  }
  void send() {
    mirror::RingWriter::Claim claim;
    REQUIRE(turn.writer(0)->claim(0, claim));
    turn.writer(0)->commit(claim);
  }

  SilentFabric fabric;
  int delivered = 0;
  Turn turn;
  Loop loop;
};

TEST_CASE("what was committed waits for no poll, and a busy loop polls with every other turn") {
  Scene scene;
  for (int turn = 0; turn < 10; ++turn) {
    scene.send();
    scene.loop.poll();
    CHECK(scene.delivered == turn + 1);
  }
  CHECK(scene.fabric.polls == 5);
}

TEST_CASE("who has nothing to do polls with every turn") {
  Scene scene;
  for (int turn = 0; turn < 10; ++turn) scene.loop.poll();
  CHECK(scene.fabric.polls == 10);
}

TEST_CASE("with more engines than cores every turn polls") {
  Scene scene(true);
  for (int turn = 0; turn < 10; ++turn) {
    scene.send();
    scene.loop.poll();
  }
  CHECK(scene.fabric.polls == 10);
}

TEST_CASE("whoever wakes up polls first, whatever there is to publish") {
  Scene scene;
  REQUIRE(scene.loop.arm_fd());
  const int before = scene.fabric.polls;
  scene.send();
  scene.loop.poll();
  CHECK(scene.delivered == 1);
  CHECK(scene.fabric.polls == before + 1);
}

}  // namespace
}  // namespace squall::engine
