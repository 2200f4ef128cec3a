// What bad input gets: typed errors at the caller, and the group goes on.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstring>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "groups/object/codec.h"
#include "groups/object/object.h"
#include "groups/object/object_test_kit.h"
#include "groups/object/wire.h"

namespace squall {
namespace {

TEST_CASE("a group that is not there, is taken, or keeps no order, is no object's") {
  Members members(1);
  Node& node = *members.nodes[0];
  auto none = node.object<Inventory>("stores");
  CHECK_FALSE(none);
  CHECK(none.error().code == Code::invalid);
  CHECK(none.error().what == "no group is called stores");
  CHECK(none.update<&Inventory::add>("bolts", 1).get().error().code == Code::invalid);
  CHECK(none.read<&Inventory::count>("bolts").error().effect == Effect::no);
  auto first = node.object<Inventory>("store");
  REQUIRE(first);
  auto second = node.object<Inventory>("store");
  CHECK_FALSE(second);
  CHECK(second.error().what == "group store is that of another object already");
  REQUIRE(node.object<Inventory>("other"));
  CHECK(first.update<&Inventory::add>("bolts", 1).own() == 1);

  Members weak(1, "fifo");
  auto refused = weak.nodes[0]->object<Inventory>("store");
  CHECK_FALSE(refused);
  CHECK(refused.error().code == Code::refused);
  CHECK(refused.error().remedy == "group.store.stack = \"total | stable\"");
}

/// A call as no Object would make it.
void send_call(Group& group, objects::CallHeader header, Bytes arguments) {
  const objects::CallHead head = objects::encode_call(header);
  std::vector<std::byte> message(sizeof head + arguments.size());
  std::memcpy(message.data(), head.data(), sizeof head);
  std::ranges::copy(arguments, message.begin() + sizeof head);
  REQUIRE(group.send(message));
}

TEST_CASE("calls that do not decode are refused, and change nothing") {
  Members members(2);
  auto stores = members.objects<Inventory>();
  Group& group = *members.nodes[0]->group("store");
  objects::CallHeader header;
  header.method = objects::method_id<&Inventory::add>;
  for (const std::size_t bytes : {0u, 3u, 7u, 20u, 500u}) {
    const std::vector<std::byte> garbage(bytes, std::byte{0xff});
    send_call(group, header, garbage);
    REQUIRE(group.send(garbage));
  }
  auto call = stores[1].update<&Inventory::add>("bolts", 1);
  REQUIRE(members.turn_until([&] { return call.ready(); }));
  const auto call_replies = call.get();
  REQUIRE(call_replies);
  for (const auto& each : call_replies->all) CHECK(each.result == 1);
  for (auto& store : stores) {
    CHECK(store.ready());
    CHECK(store.read<&Inventory::all>()->size() == 1);
  }
}

TEST_CASE("a reply over the limit is an error of that call") {
  Members members(2);
  auto stores = members.objects<Inventory>();
  const auto most = members.nodes[0]->group("store")->max_post_bytes();
  auto fits = stores[0].update<&Inventory::blob>(std::uint32_t{60'000});
  auto large = stores[0].update<&Inventory::blob>(static_cast<std::uint32_t>(most));
  REQUIRE(members.turn_until([&] { return fits.ready() && large.ready(); }));
  const auto fits_replies = fits.get();
  REQUIRE(fits_replies);
  for (const auto& each : fits_replies->all) {
    REQUIRE_MESSAGE(each.result, each.result.error().text());
    CHECK(each.result->size() == 60'000);
  }
  const auto large_replies = large.get();
  REQUIRE(large_replies);
  for (const auto& each : large_replies->all) {
    REQUIRE_FALSE(each.result);
    CHECK(each.result.error().code == Code::too_large);
    CHECK(each.result.error().effect == Effect::yes);
  }
  const std::string huge(members.nodes[0]->group("store")->max_message_bytes(), 'x');
  const auto refused = stores[0].update<&Inventory::add>(huge, 1).get();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::too_large);
  CHECK(refused.error().effect == Effect::no);
}

struct Older {
  static constexpr int version = 1;
  int value = 0;
  int set(int to) { return value = to; }
  int get() const { return value; }
  // The test calls none of them here.
  using methods = Methods<&Older::set, &Older::get>;
};
struct Newer {
  static constexpr int version = 2;
  int value = 0;
  int set(int to) { return value = to; }
  int get() const { return value; }
};
struct Wider {
  static constexpr int version = 1;
  int value = 0;
  int set(int to) { return value = to; }
  int twice() { return value *= 2; }
  int get() const { return value; }
};

TEST_CASE("members of other versions are refused with both") {
  Members members(2);
  auto older = members.nodes[0]->object<Older>("store");
  auto newer = members.nodes[1]->object<Newer>("store");
  REQUIRE(older);
  REQUIRE(newer);
  // Until they have heard of each other.
  CallError why;
  REQUIRE(members.turn_until([&] {
    const auto refused = newer.at("a").read<&Newer::get>();
    for (int turns = 0; turns < 20; ++turns)
      for (auto& node : members.nodes) node->poll();
    if (!refused.ready() || refused.get()) return false;
    why = refused.get().error();
    return true;
  }));
  CHECK(why.what.find("a has version 1 of") != std::string::npos);
  CHECK(why.what.find("the caller version 2") != std::string::npos);
  const auto refused = newer.update<&Newer::set>(3).get();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::refused);
  CHECK(refused.error().effect == Effect::no);
  CHECK(refused.error().what == "a has version 1 of Older, and this member version 2");
  CHECK(older.read<&Older::get>() == 0);
  CHECK(older.ready());
}

TEST_CASE("a method that another member does not have is refused with its name and versions") {
  Members members(2);
  auto narrow = members.nodes[0]->object<Older>("store");
  auto wide = members.nodes[1]->object<Wider>("store");
  auto known = wide.update<&Wider::set>(3);
  REQUIRE(members.turn_until([&] { return known.ready(); }));
  REQUIRE(known.get());
  CHECK(narrow.read<&Older::get>() == 3);
  const auto refused = wide.update<&Wider::twice>().get();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::refused);
  CHECK(refused.error().what.starts_with("a has no method twice in its version 1 of"));
  CHECK(refused.error().effect == Effect::no);
  CHECK(narrow.ready());
}

TEST_CASE("a replica that has missed an update is none any more, and says why") {
  Members members(2);
  auto narrow = members.nodes[0]->object<Older>("store");
  auto wide = members.nodes[1]->object<Wider>("store");
  // Before it can know better.
  auto call = wide.update<&Wider::twice>();
  REQUIRE(members.turn_until([&] { return call.ready(); }));
  const auto replies = call.get();
  REQUIRE(replies);
  REQUIRE_FALSE(replies->all[0].result);
  CHECK(replies->all[0].result.error().code == Code::refused);
  CHECK(replies->all[0].result.error().effect == Effect::no);
  CHECK(replies->all[1].result == 0);
  CHECK_FALSE(narrow.ready());
  const auto read = narrow.read<&Older::get>();
  REQUIRE_FALSE(read.has_value());
  CHECK(read.error().what.find("a has no method") != std::string::npos);
  // The group goes on with who is left.
  auto next = wide.update<&Wider::set>(5);
  REQUIRE(members.turn_until([&] { return next.ready(); }));
  CHECK(next.get()->own() == 5);
}

}  // namespace
}  // namespace squall
