// Promises 3 and 4, with real processes: peers that are killed, stopped, or cut off.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <signal.h>

#include <cstdio>
#include <cstring>
#include <deque>
#include <map>
#include <string>

#include "core/fabric/memory.h"
#include "test/conformance/child.h"
#include "test/conformance/world.h"

namespace squall::conformance {
namespace {

using fabric::Memory;

constexpr RegionId of_child{1}, of_parent{2};
constexpr std::size_t peer_region_bytes = 64 << 10;
constexpr std::size_t message_bytes = 1000;

// Exchanges regions with the parent, counts its messages, and does as it is told:
//   churn N   N times: writes its region, pushes it, sends a message; then says "churned"
//   report    says how many numbered messages came in order on each lane, and the parent's counter
void play_peer(Link& link, const std::string&) {
  Memory memory = must(Memory::create(peer_region_bytes), "memory");
  Joined joined = join(link);
  Node& node = *joined.node;
  must(node->expose(of_child, memory), "expose");
  const std::byte* replica =
      must(node->import(joined.parent, of_parent, peer_region_bytes), "import");
  std::uint64_t in_order[2] = {};
  node.on_event = [&](const Event& event) {
    // What the parent must know, if it imports only after a churn.
    if (event.kind == Kind::attached) (void)node->push_to(event.peer, of_child, 0, 8, Lane::urgent);
    if (event.kind != Kind::message) return;
    std::uint64_t& next = in_order[static_cast<int>(event.lane)];
    expect(as_text(event.bytes) == content(next, message_bytes), "the message is the next");
    ++next;
  };
  link.say("ready");
  for (std::uint64_t value = 0;;) {
    std::optional<std::string> line;
    joined.world->until([&] { return (line = link.try_hear()).has_value(); }, 100 * patience);
    if (!line) return;
    if (line->starts_with("churn ")) {
      for (int left = std::stoi(line->substr(6)); left > 0; --left) {
        store_counter(memory.data(), ++value);
        (void)node->push(of_child, 0, 8, Lane::urgent);
        std::memset(memory.data() + 64, static_cast<int>(value & 0xff), 192);
        (void)node->push(of_child, 64, 192, Lane::bulk);
        (void)node->send(joined.parent, Lane::urgent, as_bytes("churn"));
        node.turn();
      }
      link.say("churned");
    } else if (*line == "report") {
      link.say(fmt::format("{} {} {}", in_order[0], in_order[1], load_counter(replica)));
    }
  }
}
const Role peer_role{"peer", play_peer};

// A parent that exposes a region, and a child in the role above.
struct Parent {
  Memory memory = must(Memory::create(peer_region_bytes), "memory");
  std::unique_ptr<World> world = subject().make_world();
  Node& node = world->add("parent");

  PeerId start(Child& child) {
    const PeerId peer = admit(*world, node, child);
    expect(child.link().hear(*world) == "ready", "the child is ready");
    expect(world->until([&] { return node.count(Kind::attached, peer) == 1; }), "attached");
    return peer;
  }
};

// Sends and pushes, each with a token, until the lanes are full or `most` are queued. No call of
// it may block. Sources stay as they are until the end.
struct Work {
  std::deque<std::string> sources;
  std::map<Token, int> returned;
  std::uint64_t sent[2] = {};
  Token last = 0;

  void watch(Node& node) {
    node.on_event = [&, seen = &node.seen](const Event& event) {
      if (event.kind == Kind::completed) ++returned[event.token];
      seen->push_back({event.kind, event.ok, event.lane, event.peer, event.region, event.token, "",
                       std::string(event.text)});
    };
  }
  void queue(Parent& scene, PeerId peer, std::uint64_t most) {
    bool full[2] = {};
    for (std::uint64_t i = 0; i < most && !(full[0] && full[1]); ++i) {
      for (const Lane lane : {Lane::urgent, Lane::bulk}) {
        const int at = static_cast<int>(lane);
        sources.push_back(content(sent[at], message_bytes));
        const auto result =
            timed([&] { return scene.node->send(peer, lane, as_bytes(sources.back()), last + 1); });
        full[at] = !result;
        if (!result) {
          if (result.error().code != Code::would_block && result.error().code != Code::lost)
            broken(result.error().text());
          continue;
        }
        ++last;
        ++sent[at];
      }
      if (i % 16 == 0) {
        store_counter(scene.memory.data(), i + 1);
        must(timed([&] { return scene.node->push(of_parent, 0, 8, Lane::urgent, ++last); }),
             "push");
        must(timed([&] { return scene.node->push(of_parent, 4096, 16384, Lane::bulk, ++last); }),
             "push");
        scene.node.turn();
      }
    }
  }
  void check_returned(World& world) {
    const auto all = [&] { return returned.size() == last; };
    // On a busy machine it may take long; that nothing at all comes back may not.
    for (std::size_t before = 0; !world.until(all) && returned.size() != before;)
      before = returned.size();
    CHECK(returned.size() == last);
    for (const auto& [token, times] : returned) {
      REQUIRE(token >= 1);
      REQUIRE(token <= last);
      REQUIRE(times == 1);
    }
  }
};

void after_loss(Parent& scene, PeerId peer, Work& work) {
  if (scene.node->capabilities().detects_loss) {
    const Time start = Monotonic::now();
    CHECK(scene.world->until([&] { return scene.node.count(Kind::lost, peer) == 1; }));
    CHECK(Monotonic::now() - start < 1s);
    if (const Seen* lost = scene.node.find(Kind::lost, peer)) CHECK(!lost->text.empty());
  } else {
    scene.world->pass_time(200ms);
    work.queue(scene, peer, 100);  // it does not know yet
  }
  timed([&] { return scene.node->disconnect(peer), 0; });
  work.check_returned(*scene.world);
  const auto sent = timed([&] { return scene.node->send(peer, Lane::urgent, as_bytes("x"), 1); });
  REQUIRE(!sent);
  CHECK(sent.error().code == Code::lost);
  must(timed([&] { return scene.node->push(of_parent, 0, 8, Lane::urgent); }), "push");
  CHECK(scene.node.slowest_call < longest_call);
  CHECK(scene.node.count(Kind::lost, peer) <= 1);
}

TEST_CASE("promise 3: a peer killed while busy costs no call its time, and all work comes back" *
          doctest::skip(!subject().processes)) {
  Parent scene;
  must(scene.node->expose(of_parent, scene.memory), "expose");
  Child child("peer");
  const PeerId peer = scene.start(child);
  Work work;
  work.watch(scene.node);
  child.signal(SIGSTOP);  // so that there is something left to come back
  work.queue(scene, peer, 20'000);
  child.signal(SIGKILL);
  after_loss(scene, peer, work);
}

TEST_CASE("promise 3: a peer killed while busy takes nothing from another" *
          doctest::skip(!subject().processes)) {
  if (!subject().dead_stall_others.empty()) {
    std::printf("SKIPPED: %s: that a dead peer takes nothing from another: %s\n",
                std::string(subject().name).c_str(),
                std::string(subject().dead_stall_others).c_str());
    return;
  }
  Parent scene;
  must(scene.node->expose(of_parent, scene.memory), "expose");
  Child child("peer"), survivor("peer");
  const PeerId peer = scene.start(child);
  const PeerId other = scene.start(survivor);
  Work work;
  work.watch(scene.node);
  child.signal(SIGSTOP);
  work.queue(scene, peer, 20'000);
  child.signal(SIGKILL);
  after_loss(scene, peer, work);
  CHECK(scene.node.count(Kind::lost, other) == 0);
  const std::string first = content(0, message_bytes);
  for (const Lane lane : {Lane::urgent, Lane::bulk})
    must(scene.node->send(other, lane, as_bytes(first)), "send");
  CHECK(scene.world->until([&] {
    survivor.link().say("report");
    return survivor.link().hear(*scene.world).starts_with("1 1 ");
  }));
}

TEST_CASE("promise 3: a peer killed while idle is lost within a second, or gone at disconnect" *
          doctest::skip(!subject().processes)) {
  Parent scene;
  must(scene.node->expose(of_parent, scene.memory), "expose");
  Child child("peer");
  const PeerId peer = scene.start(child);
  const std::byte* replica = must(scene.node->import(peer, of_child, peer_region_bytes), "import");
  child.link().say("churn 5");
  REQUIRE(child.link().hear(*scene.world) == "churned");
  REQUIRE(scene.world->until([&] { return load_counter(replica) == 5; }));
  Work work;
  work.watch(scene.node);
  child.signal(SIGKILL);
  after_loss(scene, peer, work);
  CHECK(load_counter(replica) == 5);  // still readable
  scene.node->forget(peer);
}

TEST_CASE("promise 3: no call blocks while a peer is stopped, and nothing is lost afterwards" *
          doctest::skip(!subject().processes)) {
  Parent scene;
  must(scene.node->expose(of_parent, scene.memory), "expose");
  Child child("peer");
  const PeerId peer = scene.start(child);
  Work work;
  work.watch(scene.node);
  child.signal(SIGSTOP);
  const Time start = Monotonic::now();
  // Far more than every lane takes, and yet what the slowest build moves within its patience.
  constexpr Token enough = 20'000;
  while (Monotonic::now() - start < 1s) {
    if (work.last < enough)
      work.queue(scene, peer, 5'000);
    else
      timed([&] { return scene.node.turn(), 0; });
  }
  CHECK(scene.node.count(Kind::lost) == 0);
  child.signal(SIGCONT);
  work.check_returned(*scene.world);
  for (const Seen& event : scene.node.seen)
    if (event.kind == Kind::completed) CHECK(event.ok);
  const std::string expected =
      fmt::format("{} {} {}", work.sent[0], work.sent[1], load_counter(scene.memory.data()));
  std::string report;
  CHECK(scene.world->until([&] {
    child.link().say("report");
    return (report = child.link().hear(*scene.world)) == expected;
  }));
  CHECK(report == expected);
  CHECK(scene.node.count(Kind::lost) == 0);
  CHECK(scene.node.slowest_call < longest_call);
}

TEST_CASE("promise 4: after disconnect nothing the peer does changes the replica, nor is heard" *
          doctest::skip(!subject().processes)) {
  Parent scene;
  must(scene.node->expose(of_parent, scene.memory), "expose");
  Child child("peer");
  const PeerId peer = scene.start(child);
  const std::byte* replica = must(scene.node->import(peer, of_child, peer_region_bytes), "import");
  child.link().say("churn 100");
  REQUIRE(child.link().hear(*scene.world) == "churned");
  REQUIRE(scene.world->until([&] { return load_counter(replica) == 100; }));

  child.link().say("churn 100000");  // and cut it off in the middle of that
  REQUIRE(scene.world->until([&] { return load_counter(replica) > 150; }));
  scene.node->disconnect(peer);
  const std::string at_fence(reinterpret_cast<const char*>(replica), peer_region_bytes);
  const std::size_t heard = scene.node.count(Kind::message, peer);
  REQUIRE(child.link().hear(*scene.world, 6 * patience) == "churned");
  scene.world->pass_time(50ms);
  CHECK(std::memcmp(replica, at_fence.data(), peer_region_bytes) == 0);
  CHECK(scene.node.count(Kind::message, peer) == heard);
  CHECK(load_counter(replica) < 100'000);  // it did go on
  scene.node->forget(peer);
  // The same two processes may meet again, through a new connection.
  CHECK(!scene.node->send(peer, Lane::urgent, as_bytes("x")));
}

}  // namespace
}  // namespace squall::conformance
