// Objects on nodes of one process over shared memory: what calls do, and what futures tell of them.
#include "groups/object/object.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <coroutine>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "groups/object/object_test_kit.h"

namespace squall {
namespace {

TEST_CASE("an update is executed at every replica, and all of them reply") {
  std::string stack = "total | stable";
  SUBCASE("") {}
  SUBCASE("over a stack that changes the bytes") {
    stack = "total | stable | compress(lz4)";
  }
  Members members(3, stack);
  auto stores = members.objects<Inventory>();
  auto reply = stores[0].update<&Inventory::add>("bolts", 5);
  REQUIRE(members.turn_until([&] { return reply.ready(); }));
  const auto replies = reply.get();
  REQUIRE_MESSAGE(replies, replies.error().text());
  CHECK(replies->all.size() == 3);
  for (const auto& each : replies->all) {
    REQUIRE_MESSAGE(each.result, each.result.error().text());
    CHECK(*each.result == 5);
  }
  CHECK(replies->all[1].member == "b");
  CHECK(replies->own() == 5);
  CHECK(stores[0].version() == replies->version);
  for (auto& store : stores) {
    const int now = store.read<&Inventory::count>("bolts");
    CHECK(now == 5);
    CHECK(store.version() == replies->version);
  }
}

TEST_CASE("updates of all members have one order, and every version is in it once") {
  Members members(3);
  auto stores = members.objects<Inventory>();
  std::vector<Future<int>> calls;
  for (int round = 0; round < 100; ++round)
    for (auto& store : stores) calls.push_back(store.update<&Inventory::add>("nuts", 1));
  std::vector<int> seen(calls.size() + 1);
  std::vector<std::uint64_t> versions;
  for (auto& call : calls) {
    REQUIRE(members.turn_until([&] { return call.ready(); }));
    const auto replies = call.get();
    REQUIRE(replies);
    versions.push_back(replies->version);
    REQUIRE(replies->all.size() == 3);
    // Results say the order: everyone saw each count once, and the same for one call.
    for (const auto& each : replies->all) CHECK(each.result == replies->own());
    ++seen[static_cast<std::size_t>(*replies->own())];
  }
  CHECK(seen[0] == 0);
  for (std::size_t at = 1; at < seen.size(); ++at) CHECK(seen[at] == 1);
  std::ranges::sort(versions);
  CHECK(std::ranges::adjacent_find(versions) == versions.end());
}

TEST_CASE("what an update throws, or returns as an error, is every replica's reply") {
  Members members(2);
  auto stores = members.objects<Inventory>();
  auto thrown = stores[1].update<&Inventory::add>("bolts", -1);
  auto short_of = stores[1].update<&Inventory::take>(std::string("bolts"), 3);
  auto cleared = stores[1].update<&Inventory::clear>();
  REQUIRE(members.turn_until([&] { return cleared.ready() && thrown.ready(); }));
  const auto first = thrown.get();
  REQUIRE(first);
  REQUIRE(first->all.size() == 2);
  for (const auto& each : first->all) {
    REQUIRE_FALSE(each.result);
    CHECK(each.result.error().code == Code::refused);
    CHECK(each.result.error().what == "add threw: a negative count of bolts");
    CHECK(each.result.error().effect == Effect::yes);
  }
  const auto short_of_replies = short_of.get();
  REQUIRE(short_of_replies);
  for (const auto& each : short_of_replies->all) {
    REQUIRE_FALSE(each.result);
    CHECK(each.result.error().code == Code::unavailable);
    CHECK(each.result.error().text() == "only 0 bolts left (order some)");
  }
  const auto cleared_replies = cleared.get();
  REQUIRE(cleared_replies);
  for (const auto& each : cleared_replies->all) CHECK(each.result);
}

/// Whose replicas are not equal, as they should be.
struct Odd {
  static inline int executions = 0;
  int odd() { return ++executions; }
  std::string odd_text() { return std::string(100, static_cast<char>('a' + ++executions % 26)); }
  int even() { return 7; }
  template <class Archive>
  void serialize(Archive&) {}
};

TEST_CASE("each replica's reply is its own, however many there are, equal or not") {
  Members members(5);
  auto all = members.objects<Odd>();
  REQUIRE(members.turn_until([&] { return std::ranges::all_of(all, &Object<Odd>::ready); }));
  const auto names = [&](const auto& replies) {
    std::string text;
    for (const auto& each : replies.all) text += each.member;
    return text;
  };
  // More than once, since calls are used again.
  for (int round = 0; round < 3; ++round) {
    auto odd = all[1].update<&Odd::odd>();
    auto even = all[1].update<&Odd::even>();
    auto text = all[1].update<&Odd::odd_text>();
    REQUIRE(members.turn_until([&] { return odd.ready() && even.ready() && text.ready(); }));
    std::set<int> results;
    const auto odd_replies = *odd.get();
    for (const auto& each : odd_replies.all) results.insert(*each.result);
    CHECK(names(odd_replies) == "abcde");
    CHECK(results.size() == 5);
    CHECK(*odd_replies.own() == *odd_replies.all[1].result);
    const auto even_replies = *even.get();
    CHECK(names(even_replies) == "abcde");
    CHECK(std::ranges::all_of(even_replies.all, [](const auto& each) { return each.result == 7; }));
    CHECK(even_replies.own_at == 1);
    std::set<std::string> texts;
    const auto text_replies = *text.get();
    for (const auto& each : text_replies.all) texts.insert(*each.result);
    CHECK(texts.size() == 5);
  }
}

TEST_CASE("a future is asked for the first reply, the own, or all, by waiting or by a callback") {
  Members members(1);
  auto stores = members.objects<Inventory>();
  auto call = stores[0].update<&Inventory::add>("bolts", 2);
  CHECK_FALSE(call.ready());
  const auto late = call.get(Monotonic::now());
  REQUIRE_FALSE(late);
  CHECK(late.error().code == Code::timeout);
  CHECK(late.error().effect == Effect::unknown);
  int told = 0;
  call.then([&](CallResult<Replies<int>> replies) { told = *replies->own(); });
  CHECK(told == 0);
  // Alone it turns its node.
  CHECK(call.own() == 2);
  CHECK(call.first() == 2);
  CHECK(call.get()->all.size() == 1);
  CHECK(told == 2);
  int told_at_once = 0;
  auto again = stores[0].update<&Inventory::add>("bolts", 3);
  CHECK(again.get());
  again.then([&](const auto& replies) { told_at_once = *replies->own(); });
  CHECK(told_at_once == 5);
}

TEST_CASE("what follows a call may throw, and may begin calls, but not wait for them") {
  Members members(1);
  auto stores = members.objects<Inventory>();
  Code inside{};
  auto second = std::make_shared<std::optional<Future<int>>>();
  auto call = stores[0].update<&Inventory::add>("bolts", 2);
  call.then([&, second](const auto&) {
    *second = stores[0].update<&Inventory::add>("bolts", 2);
    inside = (*second)->get().error().code;
    throw std::runtime_error("to be logged");
  });
  CHECK(call.get());
  CHECK(inside == Code::would_block);
  REQUIRE(*second);
  CHECK((*second)->own() == 4);
}

/// The least that a coroutine needs.
struct Task {
  struct promise_type {
    Task get_return_object() { return {}; }
    std::suspend_never initial_suspend() { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

Task add_twice(Object<Inventory> store, int& result) {
  const auto first = co_await store.update<&Inventory::add>("bolts", 4);
  const auto second = co_await store.update<&Inventory::add>("bolts", *first->own());
  const auto read = co_await store.linearizable().read<&Inventory::count>("bolts");
  result = *read == *second->own() ? *read : -1;
}

TEST_CASE("a coroutine awaits its calls") {
  Members members(2);
  auto stores = members.objects<Inventory>();
  int result = 0;
  add_twice(stores[0], result);
  REQUIRE(members.turn_until([&] { return result != 0; }));
  CHECK(result == 8);
}

TEST_CASE("reads: here, at another member, and in the order") {
  Members members(2);
  auto stores = members.objects<Inventory>();
  auto call = stores[0].update<&Inventory::add>("bolts", 7);
  REQUIRE(members.turn_until([&] { return call.ready(); }));
  CHECK(stores[0].read<&Inventory::count>("bolts") == 7);
  CHECK(stores[0].read<&Inventory::all>()->size() == 1);
  auto there = stores[0].at("b").read<&Inventory::count>("bolts");
  auto all = stores[0].at("b").read<&Inventory::all>();
  auto ordered = stores[1].linearizable().read<&Inventory::count>("bolts");
  auto throws = stores[0].at("b").read<&Inventory::broken>();
  REQUIRE(members.turn_until([&] { return there.ready() && ordered.ready() && throws.ready(); }));
  CHECK(there.get() == 7);
  CHECK(all.get()->at("bolts") == 7);
  CHECK(ordered.get() == 7);
  REQUIRE_FALSE(throws.get());
  CHECK(throws.get().error().what == "broken threw: no such luck");
  CHECK(throws.get().error().effect == Effect::no);
  const auto here = stores[0].read<&Inventory::broken>();
  REQUIRE_FALSE(here.has_value());
  CHECK(here.error().what == "broken threw: no such luck");
  const auto nobody = stores[0].at("z").read<&Inventory::count>("bolts").get();
  REQUIRE_FALSE(nobody);
  CHECK(nobody.error().what == "no other member of group store is called z; there are: b");
}

TEST_CASE("a linearizable read sees an update that another member's caller has seen") {
  Members members(3);
  auto stores = members.objects<Inventory>();
  for (int round = 1; round <= 50; ++round) {
    auto call = stores[static_cast<std::size_t>(round % 3)].update<&Inventory::add>("nuts", 1);
    const Time limit = soon();
    // Only the caller turns until it has its own reply; the others are behind, then.
    while (!call.ready() && Monotonic::now() < limit) {
      for (auto& node : members.nodes) node->poll();
      if (call.own(Time::min())) break;
    }
    auto read =
        stores[static_cast<std::size_t>((round + 1) % 3)].linearizable().read<&Inventory::count>(
            "nuts");
    REQUIRE(members.turn_until([&] { return read.ready(); }));
    CHECK(read.get() == round);
  }
}

TEST_CASE("futures that are dropped leave their calls running, and hold nothing") {
  constexpr int updates = 140'000;  // more than twice as many as there can be calls
  Members members(2);
  auto stores = members.objects<Inventory>();
  for (int round = 0; round < updates; ++round) {
    static_cast<void>(stores[0].update<&Inventory::add>("bolts", 1));
    if (round % 500 == 0)
      for (auto& node : members.nodes) node->poll();
  }
  REQUIRE(members.turn_until([&] {
    return stores[1].read<&Inventory::count>("bolts") == updates &&
           stores[0].read<&Inventory::count>("bolts") == updates;
  }));
}

TEST_CASE("calls in flight when a member goes end, and say that they took effect") {
  Members members(3);
  auto stores = members.objects<Inventory>();
  auto before = stores[0].update<&Inventory::add>("bolts", 1);
  REQUIRE(members.turn_until([&] { return before.ready(); }));
  auto read = stores[0].at("c").read<&Inventory::count>("bolts");
  stores.pop_back();
  members.nodes[2].reset();
  std::vector<Future<int>> calls;
  for (int i = 0; i < 20; ++i) calls.push_back(stores[0].update<&Inventory::add>("bolts", 1));
  REQUIRE(members.turn_until([&] {
    return read.ready() && std::ranges::all_of(calls, [](auto& each) { return each.ready(); });
  }));
  REQUIRE_FALSE(read.get());
  CHECK(read.get().error().code == Code::lost);
  CHECK(read.get().error().effect == Effect::no);
  for (auto& call : calls) {
    const auto replies = call.get();
    REQUIRE_MESSAGE(replies, replies.error().text());
    CHECK(replies->own());
    for (const auto& each : replies->all)
      if (!each.result) {
        CHECK(each.result.error().code == Code::lost);
        CHECK(each.result.error().effect == Effect::yes);
      }
  }
  for (auto& store : stores) CHECK(store.read<&Inventory::count>("bolts") == 21);
}

TEST_CASE("calls of a node that is gone end, and the last state is still read") {
  Members members(2);
  auto stores = members.objects<Inventory>();
  auto done = stores[0].update<&Inventory::add>("bolts", 1);
  REQUIRE(members.turn_until([&] { return done.ready(); }));
  auto call = stores[0].update<&Inventory::add>("bolts", 1);
  auto read = stores[0].linearizable().read<&Inventory::count>("bolts");
  Code told{};
  call.then([&](const auto& replies) { told = replies.error().code; });
  members.nodes[0].reset();
  CHECK(told == Code::closed);
  CHECK(call.get().error().effect == Effect::unknown);
  CHECK(read.get().error().effect == Effect::no);
  CHECK(stores[0].update<&Inventory::add>("bolts", 1).get().error().code == Code::closed);
  CHECK(stores[0].at("b").read<&Inventory::count>("bolts").get().error().code == Code::closed);
  CHECK(stores[0].read<&Inventory::count>("bolts") == 1);
  stores.clear();
  CHECK(call.get().error().effect == Effect::unknown);
}

}  // namespace
}  // namespace squall
