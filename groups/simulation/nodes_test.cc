// A replicated object on simulated members: the code that applications run, in virtual time.
#include "groups/simulation/nodes.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/time.h"
#include "core/engine/turn.h"
#include "groups/object/object.h"

namespace squall::simulation {
namespace {

struct Stock {
  std::map<std::string, int> items;

  int add(const std::string& item, int count) { return items[item] += count; }
  int count(const std::string& item) const {
    const auto found = items.find(item);
    return found == items.end() ? 0 : found->second;
  }
  template <class Archive>
  void serialize(Archive& archive) {
    archive(items);
  }
};

Options options_of(Rank members, std::uint64_t seed = 1) {
  Options options;
  options.seed = options.network.seed = seed;
  options.members = members;
  options.network.jitter = 30us;
  options.member.patience = 2 * options.member.timing.timeout;
  return options;
}

struct Shop {
  explicit Shop(const Options& options) : nodes(options) {
    nodes.on_node([this](Rank member, Node& node) {
      stocks.erase(member);
      stocks.emplace(member, node.object<Stock>("simulated"));
      REQUIRE_MESSAGE(stocks.at(member), stocks.at(member).error().text());
    });
    REQUIRE(nodes.cluster().start(Time{} + 1s));
  }
  Object<Stock>& at(Rank member) { return stocks.at(member); }
  Time in(Duration time, Rank member = 0) { return nodes.node(member)->now() + time; }
  template <class Done>
  bool until(Done done) {
    return nodes.cluster().run_until(done, nodes.cluster().now() + 5s);
  }
  /// Everyone who lives is in one view of this size, with its state.
  bool settled(Rank size) {
    for (Rank member = 0; member < nodes.cluster().node_count(); ++member) {
      if (!nodes.cluster().alive(member)) continue;
      if (!nodes.cluster().is_member(member)) return false;
      if (nodes.node(member)->view()->size() != size || !at(member).ready()) return false;
    }
    return true;
  }

  Nodes nodes;
  std::map<Rank, Object<Stock>> stocks;
};

TEST_CASE("waiting for a future turns the simulation, and its deadline is in virtual time") {
  Shop world(options_of(3));
  const Time begin = world.nodes.cluster().now();
  const auto replies = world.at(0).update<&Stock::add>("bolts", 5).get(world.in(1s));
  REQUIRE_MESSAGE(replies, replies.error().text());
  CHECK(replies->all.size() == 3);
  for (const auto& each : replies->all) CHECK(each.result == 5);
  CHECK(replies->all[2].member == "c");
  CHECK(world.nodes.cluster().now() - begin < 5ms);
  CHECK(world.at(1).update<&Stock::add>("bolts", 2).own(world.in(1s)) == 7);
  CHECK(world.at(1).read<&Stock::count>("bolts") == 7);
  CHECK(world.at(2).linearizable().read<&Stock::count>("bolts").get(world.in(1s)) == 7);
  CHECK(world.at(0).at("c").read<&Stock::count>("bolts").get(world.in(1s)) == 7);

  world.nodes.cluster().stall(2, world.nodes.cluster().now() + 50ms);
  const Time soon = world.in(10ms);
  const auto late = world.at(0).update<&Stock::add>("bolts", 1).get(soon);
  REQUIRE_FALSE(late);
  CHECK(late.error().code == Code::timeout);
  CHECK(world.nodes.node(0)->now() == soon);
}

TEST_CASE("deadlines are by the member's own clock") {
  Options options = options_of(2);
  options.clocks = {Clock(std::chrono::hours(5), 200), Clock(std::chrono::hours(-1), -200)};
  Shop world(options);
  CHECK(world.at(0).update<&Stock::add>("bolts", 1).own(world.in(1s, 0)) == 1);
  CHECK(world.at(1).update<&Stock::add>("bolts", 1).own(world.in(1s, 1)) == 2);
  CHECK(world.nodes.node(0)->now() - world.nodes.node(1)->now() > std::chrono::hours(5));
}

TEST_CASE("a joiner gets the state, one that dies costs its replies, and it may come again") {
  Shop world(options_of(3));
  REQUIRE(world.at(0).update<&Stock::add>("bolts", 3).get(world.in(1s)));
  const Rank d = world.nodes.cluster().join();
  REQUIRE(world.until([&] { return world.settled(4); }));
  CHECK(world.at(d).read<&Stock::count>("bolts") == 3);
  CHECK(world.at(d).update<&Stock::add>("bolts", 1).own(world.in(1s, d)) == 4);

  // It is in the view, and so has the update, but does not tell.
  world.nodes.cluster().stall(1, world.nodes.cluster().now() + 500ms);
  auto call = world.at(0).update<&Stock::add>("bolts", 1);
  const Object<Stock> former = world.at(1);
  world.nodes.cluster().crash(1);
  const auto replies = call.get(world.in(5s));
  REQUIRE_MESSAGE(replies, replies.error().text());
  CHECK(replies->own() == 5);
  for (const auto& each : replies->all) CHECK((each.member == "b") == !each.result);
  CHECK(former.update<&Stock::add>("bolts", 1).get().error().code == Code::closed);

  world.nodes.cluster().restart(1);
  REQUIRE(world.until([&] { return world.settled(4); }));
  CHECK(world.at(1).read<&Stock::count>("bolts") == 5);
}

TEST_CASE("inside an upcall nothing waits, and what is executed there comes before the next turn") {
  Shop world(options_of(2));
  std::optional<Code> inside;
  bool sent = false, executed = false, executed_at_once = true;
  world.nodes.node(1)->on_view([&](const ViewChange&) {
    world.nodes.node(1)->execute([&] { executed = true; });
    executed_at_once = executed;
    auto call = world.at(1).update<&Stock::add>("nuts", 1);
    const auto waited = call.get();
    if (!waited) inside = waited.error().code;
    call.then([&](const auto& replies) { sent = replies.has_value(); });
    world.nodes.node(1)->on_view({});
  });
  world.nodes.cluster().join();
  REQUIRE(world.until([&] { return sent && world.settled(3); }));
  CHECK(inside == Code::would_block);
  CHECK_FALSE(executed_at_once);
  CHECK(executed);
  REQUIRE(world.until([&] { return world.at(2).read<&Stock::count>("nuts") == 1; }));
}

TEST_CASE("whoever has no majority stops, and its calls say what is known of them") {
  Shop world(options_of(3));
  REQUIRE(world.at(0).update<&Stock::add>("bolts", 1).get(world.in(1s)));
  for (const char* other : {"b", "c"}) {
    world.nodes.cluster().network().cut("a", other);
    world.nodes.cluster().network().cut(other, "a");
  }
  auto update = world.at(0).update<&Stock::add>("bolts", 1);
  auto read = world.at(0).linearizable().read<&Stock::count>("bolts");
  std::optional<Error> why;
  world.nodes.node(0)->on_stopped([&](const Error& error) { why = error; });
  const auto replies = update.get(world.in(5s));
  REQUIRE_FALSE(replies);
  CHECK(replies.error().effect == Effect::unknown);
  REQUIRE(read.ready());
  REQUIRE_FALSE(read.get());
  CHECK(read.get().error().effect == Effect::no);
  REQUIRE(why);
  CHECK(world.nodes.node(0)->stopped()->what == why->what);
  // The others go on.
  REQUIRE(world.until([&] { return world.nodes.node(1)->view()->size() == 2; }));
  CHECK(world.at(1).update<&Stock::add>("bolts", 1).own(world.in(1s, 1)) == 2);
}

TEST_CASE("a member leaves, and the last ones shut down") {
  Shop world(options_of(3));
  auto last = world.at(2).update<&Stock::add>("bolts", 1);
  REQUIRE(world.nodes.node(2)->leave(world.in(1s, 2)));
  CHECK(last.own() == 1);
  CHECK(world.at(2).update<&Stock::add>("bolts", 1).get().error().code == Code::closed);
  world.nodes.cluster().crash(2);
  REQUIRE(world.until([&] { return world.settled(2); }));
  CHECK(world.at(1).read<&Stock::count>("bolts") == 1);
  world.nodes.cluster().turn(1).finish();
  CHECK(world.nodes.node(0)->shutdown(world.in(1s)));
}

/// What each node is sent beside the order, by the name under which it knows the sender.
struct Posts {
  explicit Posts(const Options& options) : nodes(options) {
    nodes.on_node([this](Rank member, Node& node) {
      Group& group = *node.group("simulated");
      group.on_state({[] {
                        return [left = std::size_t{10'000'000}](MutableBytes to) mutable {
                          const std::size_t count = std::min(to.size(), left);
                          left -= count;
                          return Result<std::size_t>(count);
                        };
                      },
                      [](Bytes, bool) { return Result<>(); }});
      group.on_post([this, member, &node](Rank from, Bytes message) {
        got[member] += fmt::format("{}:{} ", node.view()->members[from].name, as_text(message));
      });
      group.on_deliver([](const Delivery&) {});
    });
  }
  Node& at(Rank member) { return *nodes.node(member); }
  /// By the name under which the sender knows it.
  bool post(Rank from, const char* to, std::string_view text) {
    const auto view = at(from).view();
    const auto rank = std::ranges::find(view->members, to, &Member::name) - view->members.begin();
    return at(from).group("simulated")->post(static_cast<Rank>(rank), as_bytes(text)).has_value();
  }
  template <class Done>
  bool until(Done done) {
    return nodes.cluster().run_until(done, nodes.cluster().now() + 5s);
  }

  Nodes nodes;
  std::map<Rank, std::string> got;
};

TEST_CASE("while a joiner is told of no view, posts reach whom they are for, by the right names") {
  Posts posts(options_of(3));
  Cluster& cluster = posts.nodes.cluster();
  REQUIRE(cluster.start(Time{} + 1s));
  const Rank d = cluster.join();
  REQUIRE(posts.until([&] {
    return cluster.is_member(d) && cluster.state(d).phase() == engine::Turn::Phase::running;
  }));
  REQUIRE(posts.post(0, "d", "one"));
  REQUIRE(posts.until([&] { return posts.got[d] == "a:one "; }));

  // The others' ranks are others now, and d's application is still to get its state.
  cluster.crash(0);
  REQUIRE(posts.until([&] {
    return cluster.state(d).view().size() == 3 &&
           cluster.state(d).phase() == engine::Turn::Phase::running &&
           posts.at(1).view()->size() == 3;
  }));
  REQUIRE(cluster.state(d).arriving());
  CHECK(posts.at(d).view()->size() == 4);
  REQUIRE(posts.post(1, "d", "two"));
  REQUIRE(posts.until([&] { return posts.got[d] == "a:one b:two "; }));
  REQUIRE(posts.post(d, "c", "three"));
  CHECK_FALSE(posts.post(d, "a", "never"));
  REQUIRE(posts.until([&] { return posts.got[2] == "d:three "; }));

  // Nobody whom d's application knows.
  const Rank e = cluster.join();
  REQUIRE(posts.until([&] {
    return cluster.is_member(e) && cluster.state(e).phase() == engine::Turn::Phase::running &&
           cluster.state(d).phase() == engine::Turn::Phase::running;
  }));
  REQUIRE(cluster.state(d).arriving());
  REQUIRE(posts.post(e, "d", "four"));
  REQUIRE(posts.post(e, "c", "five"));
  REQUIRE(posts.until([&] { return posts.got[2] == "d:three e:five "; }));
  CHECK(posts.got[d] == "a:one b:two ");
  REQUIRE(posts.until([&] { return posts.at(d).arrived(); }));
  CHECK(posts.got[d] == "a:one b:two e:four ");
}

TEST_CASE("a group that keeps no stable order, has another name or is taken is no object's") {
  Options options = options_of(2);
  options.group = "weak";
  options.stack = "total";
  Nodes weak(options);
  CHECK(weak.node(0)->object<Stock>("weak").error().code == Code::refused);
  CHECK(weak.node(0)->object<Stock>("simulated").error().code == Code::invalid);
  Nodes nodes(options_of(2));
  REQUIRE(nodes.node(0)->object<Stock>("simulated"));
  CHECK(nodes.node(0)->object<Stock>("simulated").error().code == Code::invalid);
}

TEST_CASE("the same seed gives the same run") {
  const auto run = [](std::uint64_t seed) {
    Shop world(options_of(3, seed));
    for (int round = 0; round < 20; ++round) {
      const auto member = static_cast<Rank>(round % 3);
      REQUIRE(world.at(member).update<&Stock::add>("bolts", 1).get(world.in(1s, member)));
    }
    return std::pair(world.nodes.cluster().network().trace_hash(), world.nodes.cluster().now());
  };
  CHECK(run(7) == run(7));
  CHECK(run(7) != run(8));
}

}  // namespace
}  // namespace squall::simulation
