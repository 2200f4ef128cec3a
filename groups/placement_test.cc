// Groups on some of the members: who is in them is told, they wait for members without holding up
// the others, and who comes into one gets its state.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "groups/node.h"
#include "groups/node_test_kit.h"

namespace squall {
namespace {

/// A node that keeps everything it is delivered, group by group, as its state.
struct Member {
  std::unique_ptr<Node> node;
  std::map<std::string, std::string> text = {};  // by group
  std::map<std::string, Membership> told = {};

  void listen(const std::vector<GroupConfig>& groups) {
    for (const GroupConfig& each : groups) {
      Group& group = *node->group(each.name);
      std::string& mine = text[each.name];
      group.on_membership([this, name = each.name](const Membership& now) { told[name] = now; });
      group.on_state({[&mine]() -> StateSource {
                        return [copy = mine, at = std::size_t{0}](MutableBytes to) mutable {
                          const std::size_t count = std::min(to.size(), copy.size() - at);
                          std::ranges::copy(as_bytes(copy).subspan(at, count), to.begin());
                          at += count;
                          return Result<std::size_t>(count);
                        };
                      },
                      [&mine](Bytes piece, bool) -> Result<> {
                        mine += as_text(piece);
                        return {};
                      }});
      group.on_deliver([&mine](const Delivery& message) { mine += as_text(message.bytes); });
    }
  }
};

struct Crew {
  std::vector<GroupConfig> groups;
  std::vector<std::unique_ptr<Member>> members = {};
  std::vector<Contact> contacts = {};
  std::string fabric = "shm";

  void start(std::size_t count) {
    auto configs = make_configs(count, fabric);
    contacts = configs[0].contacts;
    for (Config& config : configs) config.groups = groups;
    for (auto& node : start_all(configs)) {
      REQUIRE_MESSAGE(node, (node ? "" : node.error().text()));
      add(std::move(*node));
    }
  }
  void add(std::unique_ptr<Node> node) {
    members.push_back(std::make_unique<Member>(Member{std::move(node)}));
    members.back()->listen(groups);
  }
  Member& join(const std::string& name) {
    Config config;
    auto [fd, address] = listen_somewhere();
    config.name = name;
    config.listen = address;
    config.listen_fd = fd;
    config.contacts = contacts;
    config.provider = fabric;
    config.start = Start::join;
    config.groups = groups;
    auto joining = std::async(std::launch::async, [&] { return Node::start(config); });
    REQUIRE(until(
        [&] { return joining.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }));
    auto node = joining.get();
    REQUIRE_MESSAGE(node, (node ? "" : node.error().text()));
    add(std::move(*node));
    return *members.back();
  }
  bool until(const std::function<bool()>& done) {
    for (const Time deadline = soon(); Monotonic::now() < deadline;) {
      for (auto& member : members)
        if (member->node) member->node->poll();
      if (done()) return true;
    }
    return false;
  }
  Group& group(std::size_t member, const std::string& name) {
    return *members[member]->node->group(name);
  }
  /// "ac bd": by shard, by name, as this member was told.
  std::string shards(std::size_t member, const std::string& name) {
    const Membership now = group(member, name).membership();
    std::string text;
    for (const auto& shard : now.shards) {
      if (!text.empty()) text += ' ';
      for (const Rank rank : shard) text += now.view->members[rank].name;
    }
    return text;
  }
  void say(std::size_t member, const std::string& name, const std::string& text) {
    const auto sent = group(member, name).try_send(as_bytes(text));
    REQUIRE_MESSAGE(sent, (sent ? "" : sent.error().text()));
  }
};

GroupConfig group_of(std::string name) {
  GroupConfig group;
  group.name = std::move(name);
  group.ring_bytes = std::size_t{1} << 16;
  return group;
}

TEST_CASE("a group on named members is theirs alone") {
  GroupConfig pair = group_of("pair"), all = group_of("all");
  pair.members = {"c", "a"};
  Crew nodes{{pair, all}};
  nodes.start(3);
  CHECK(nodes.shards(1, "pair") == "ca");
  CHECK(nodes.group(0, "pair").membership().shard == 0);
  CHECK_FALSE(nodes.group(1, "pair").membership().shard);
  CHECK(nodes.group(1, "all").membership().members() == std::vector<Rank>{0, 1, 2});

  nodes.say(0, "pair", "x");
  nodes.say(2, "pair", "y");
  nodes.say(1, "all", "z");
  const auto refused = nodes.group(1, "pair").try_send(as_bytes("w"));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::unavailable);
  CHECK(refused.error().what == "this member is not in group pair");
  CHECK(nodes.until([&] {
    return nodes.members[0]->text["pair"].size() == 2 &&
           nodes.members[2]->text["pair"].size() == 2 &&
           std::ranges::all_of(nodes.members, [](auto& m) { return m->text["all"] == "z"; });
  }));
  CHECK(nodes.members[0]->text["pair"] == nodes.members[2]->text["pair"]);
  CHECK(nodes.members[1]->text["pair"].empty());
}

TEST_CASE("shards wait for members, say what is missing, and hold up nobody") {
  GroupConfig store = group_of("store"), all = group_of("all");
  store.shards = 2;
  store.replicas = 2;
  Crew nodes{{store, all}};
  nodes.start(3);
  const auto refused = nodes.group(0, "store").try_send(as_bytes("w"));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().what ==
        "this member is not in group store: 2 shards of 2 need 4 members, and there are 3");
  nodes.say(0, "all", "go");
  CHECK(nodes.until([&] { return nodes.members[2]->text["all"] == "go"; }));

  Member& d = nodes.join("d");
  REQUIRE(nodes.until(
      [&] { return d.node->arrived() && nodes.group(0, "store").membership().shard.has_value(); }));
  CHECK(nodes.shards(0, "store") == "ac bd");
  CHECK(nodes.members[0]->told["store"].missing.empty());
  CHECK(d.text["all"] == "go");
  nodes.say(0, "store", "1");
  nodes.say(3, "store", "2");
  CHECK(nodes.until([&] {
    return nodes.members[0]->text["store"] == "1" && nodes.members[2]->text["store"] == "1" &&
           nodes.members[1]->text["store"] == "2" && d.text["store"] == "2";
  }));
}

TEST_CASE(
    "who takes the place of one that was lost gets the shard's state, and goes on elsewhere") {
  GroupConfig store = group_of("store"), all = group_of("all");
  store.replicas = 2;
  Crew nodes{{store, all}};
  SUBCASE("shm") {
    nodes.fabric = "shm";
  }
  SUBCASE("tcp") {
    nodes.fabric = "tcp";
  }
  nodes.start(4);
  CHECK(nodes.shards(3, "store") == "ab");
  std::string said;
  for (char c = 'a'; c <= 'z'; ++c) {
    nodes.say(0, "store", std::string(1000, c));
    said += std::string(1000, c);
  }
  REQUIRE(nodes.until([&] { return nodes.members[1]->text["store"] == said; }));
  nodes.members[1]->node.reset();
  REQUIRE(nodes.until([&] {
    return nodes.group(2, "store").membership().shard && nodes.members[2]->text["store"] == said;
  }));
  CHECK(nodes.shards(2, "store") == "ac");
  nodes.say(2, "store", "!");
  nodes.say(3, "all", "?");
  CHECK(nodes.until([&] {
    return nodes.members[0]->text["store"] == said + "!" && nodes.members[2]->text["all"] == "?" &&
           nodes.members[2]->text["store"] == said + "!";
  }));
  CHECK(nodes.members[3]->text["store"].empty());
}

TEST_CASE("a layout in code places a group, and one that errs keeps what was there") {
  GroupConfig odd = group_of("odd");
  odd.layout = [](const View& view, const auto&) -> Result<std::vector<std::vector<Rank>>> {
    if (view.size() > 3) return fail(Code::unavailable, "no more than three, please");
    return std::vector<std::vector<Rank>>{{1}};
  };
  Crew nodes{{odd}};
  nodes.start(3);
  CHECK(nodes.shards(0, "odd") == "b");
  nodes.join("d");
  CHECK(nodes.shards(0, "odd") == "b");
  CHECK(nodes.group(0, "odd").membership().missing == "no more than three, please");
}

TEST_CASE("posts go to one member, in order, and to nobody else") {
  Crew nodes{{group_of("all"), group_of("other")}};
  nodes.start(3);
  std::string got, elsewhere;
  nodes.group(2, "all").on_post(
      [&](Rank from, Bytes message) { got += fmt::format("{}:{} ", from, as_text(message)); });
  nodes.group(1, "all").on_post([&](Rank, Bytes) { elsewhere += "!"; });
  nodes.group(2, "other").on_post([&](Rank, Bytes) { elsewhere += "?"; });
  Group& from = nodes.group(0, "all");
  REQUIRE(from.post(2, as_bytes("one")));
  REQUIRE(from.post(2, as_bytes("two")));
  CHECK(nodes.until([&] { return got == "0:one 0:two "; }));
  CHECK(elsewhere.empty());
  CHECK(from.post(0, {}).error().code == Code::invalid);
  CHECK(from.post(3, {}).error().code == Code::invalid);
  const std::vector<std::byte> large(from.max_post_bytes() + 1);
  CHECK(from.post(2, large).error().code == Code::too_large);
}

TEST_CASE("a group that is placed in two ways, or half, is refused") {
  const auto refusal = [](const GroupConfig& group) {
    auto configs = make_configs(1, "shm");
    configs[0].groups = {group};
    const auto node = Node::start(configs[0]);
    return node ? "" : node.error().what;
  };
  GroupConfig group = group_of("g");
  group.shards = 2;
  CHECK(refusal(group) == "group.g: 2 shards of how many members?");
  group.replicas = 1;
  group.members = {"a"};
  CHECK(refusal(group) == "group.g: it is placed in more than one way");
}

}  // namespace
}  // namespace squall
