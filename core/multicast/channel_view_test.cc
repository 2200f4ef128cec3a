// From one view to the next: freezing, closing at the trim, what the next channel starts with.
#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/multicast/channel_test_kit.h"

namespace squall::multicast {
namespace {

TEST_CASE("a frozen channel takes nothing more and shows nothing more") {
  Group group(2, {0});
  group.send(0, "before");
  group.exchange(0);
  group.network.land();
  group[1].freeze(group.now);
  group.send(0, "after");
  group.exchange(0);
  group.network.land();
  CHECK_FALSE(group.exchange(1).worked);
  CHECK(group.network.queued(1, 0).empty());
  CHECK(group[1].received()[0] == 1);
  CHECK(group.deliver(1) == 1);
}

TEST_CASE("a trim that a member does not hold, or of other senders, is refused") {
  Group group(2, {0});
  group.send(0, "m");
  group.turn_all();
  group[1].freeze(group.now);
  CHECK_FALSE(group[1].close(std::vector<Round>{2}));
  CHECK_FALSE(group[1].close(std::vector<Round>{1, 1}));
  CHECK(group[1].close(std::vector<Round>{1}));
}

TEST_CASE("what lies beyond the trim comes in the next view, once, with its old number") {
  Group group(2, {0});
  SUBCASE("in the same memory") {}
  SUBCASE("in new memory") {
    group.renews = true;
  }
  group.send(0, "m0");
  group.turn_all();
  group.turn_all();
  for (const char* text : {"m1", "m2"}) group.send(0, text);
  group.exchange(0);
  group.network.drop(0, 1);
  CHECK(group.deliver(0) == 2);  // this stack does not wait for the others
  group.send(0, "m3");           // not published in the old view
  group.change_view();
  CHECK(group.members[1].got == Texts{"m0"});
  group.send(0, "m4");
  for (int turn = 0; turn < 3; ++turn) group.turn_all();
  for (const Member& member : group.members) {
    CHECK(member.got == Texts{"m0", "m1", "m2", "m3", "m4"});
    for (MessageNumber number = 0; number < 5; ++number)
      CHECK(member.numbers[number] == std::pair<Rank, MessageNumber>{0, number});
    CHECK(member.positions == std::vector<std::uint64_t>{0, 1, 2, 3, 4});
  }
}

TEST_CASE("a joiner begins at the trim, with the senders' numbers and the group's position") {
  Group group(3, {0, 1});
  for (const char* text : {"a", "b", "c"}) group.send(0, text);
  for (int turn = 0; turn < 3; ++turn) group.turn_all();
  const auto before = group.members[0].got.size();
  group.members[2].got.clear(), group.members[2].numbers.clear();
  group.members[2].positions.clear();
  group.change_view(2);
  group.send(0, "d");
  for (int turn = 0; turn < 3; ++turn) group.turn_all();
  CHECK(group.members[2].got == Texts{"d"});
  CHECK(group.members[2].numbers == std::vector<std::pair<Rank, MessageNumber>>{{0, 3}});
  CHECK(group.members[2].positions == std::vector<std::uint64_t>{before});
}

void change_views(bool renews) {
  CAPTURE(renews);
  Group group(3, {0, 2});
  group.renews = renews;
  Random random(11);
  std::map<Rank, std::vector<std::string>> sent;
  for (int step = 0; step < 3000; ++step) {
    const Rank sender = random.one_in(2) ? 0 : 2;
    const auto text = std::to_string(step) + std::string(random.below(300), '.');
    if (group.send(sender, text)) sent[sender].push_back(text);
    if (random.one_in(5))  // skips: rounds without messages
      group.members[sender].order->promise = group[sender].received()[sender / 2] + 3;
    const auto rank = static_cast<Rank>(random.below(3));
    group.exchange(rank);
    const auto peer = static_cast<Rank>(random.below(3));
    if (peer != rank) group.network.land(rank, peer, random.below(4));
    if (random.one_in(3)) group.deliver(rank);
    group.now += 50us;
    if (random.one_in(40)) {
      for (Rank from = 0; from < 3; ++from)
        for (Rank to = 0; to < 3; ++to)
          if (from != to) group.network.drop(from, to);
      group.change_view();
    }
  }
  for (int turn = 0; turn < 10; ++turn, group.now += 1ms) group.turn_all();
  for (const Member& member : group.members) {
    std::map<Rank, std::vector<std::string>> got;
    for (std::size_t at = 0; at < member.got.size(); ++at) {
      auto& from = got[member.numbers[at].first];
      CHECK(member.numbers[at].second == from.size());
      from.push_back(member.got[at]);
    }
    CHECK(got == sent);
  }
  CHECK(sent[0].size() + sent[2].size() > 1000);
}

TEST_CASE("view after view, with a ring that wraps, nothing is lost or doubled") {
  for (const bool renews : {false, true}) change_views(renews);
}

TEST_CASE("who know that nobody knows where the order stands say so; one who does is enough") {
  for (const bool one_knows : {false, true}) {
    Group group(3, {0}, false);
    group.view = ViewId{2};
    for (Rank rank = 0; rank < 3; ++rank)
      group.build(
          rank, Past{{}, one_knows && rank == 1 ? std::optional<std::uint64_t>(7) : std::nullopt});
    // Silence is not ignorance.
    for (Rank rank = 0; rank < 3; ++rank) group.exchange(rank);
    for (Rank rank = 0; rank < 3; ++rank) CHECK_FALSE(group[rank].adrift());
    group.attach_all();
    REQUIRE(group.send(0, "m"));
    for (int turn = 0; turn < 3; ++turn) group.turn_all();
    for (Rank rank = 0; rank < 3; ++rank) CHECK(group[rank].adrift() == !one_knows);
    for (const Member& member : group.members)
      CHECK(member.positions ==
            (one_knows ? std::vector<std::uint64_t>{7} : std::vector<std::uint64_t>{}));
  }
}

TEST_CASE("who joins publishes nothing before it knows where the order stands, and can tell") {
  Group group(2, {0, 1});
  REQUIRE(group.send(0, "before"));
  for (int turn = 0; turn < 2; ++turn) group.turn_all();
  group.change_view(1, false);
  // What the joiner says arrives, and what it is told does not yet.
  REQUIRE(group.send(1, "joiner"));
  group.exchange(1);
  group[1].publish_now();
  group.network.land(1, 0, group.network.queued(1, 0).size());
  group.exchange(0);
  CHECK(group.deliver(0) == 0);
  CHECK(group[1].pending());
  group.network.land();
  for (int turn = 0; turn < 3; ++turn) group.turn_all();
  CHECK(group.members[0].got == Texts{"before", "joiner"});
  CHECK(group.members[1].positions.back() == 1);
}

}  // namespace
}  // namespace squall::multicast
