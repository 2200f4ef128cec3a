#include "core/membership/change.h"

#include <doctest/doctest.h>

#include <string>

namespace squall::membership {
namespace {

RankSet ranks(std::initializer_list<Rank> some) {
  RankSet set;
  for (const Rank rank : some) set.insert(rank);
  return set;
}

View four() {
  View view{ViewId{7}, {}};
  for (const char* name : {"a", "b", "c", "d"})
    view.members.push_back({NodeId{view.size() + 10}, Incarnation{5}, name});
  return view;
}

Joiner joiner(std::uint64_t id) {
  Joiner one{{NodeId{id}, Incarnation{9}, "new"}, std::string("\0addr", 5), {}};
  one.secret[3] = std::byte{42};
  return one;
}

Change sample() {
  Change change = make_change(four(), ranks({0, 2}), ranks({3}), {joiner(77)}, {{5, 0}, {}, {1}});
  change.next.seating = {{ViewId{3}, {2, 0}}, {ViewId{8}, {}}, {ViewId{1}, {0, 1, 2}}};
  return change;
}

TEST_CASE("who is seated at all is seated in every channel there is") {
  Change change = sample();
  change.next.seating.pop_back();
  CHECK_FALSE(check(change, four()));
  CHECK_FALSE(decode_change(Bytes(encode(change))));
  change.next.seating.clear();
  CHECK(check(change, four()));
}

TEST_CASE("nobody is seated twice, nowhere, or in a view to come") {
  const auto refused = [](std::size_t channel, Seating seating) {
    Change change = sample();
    change.next.seating[channel] = std::move(seating);
    return !check(change, four()) && !decode_change(Bytes(encode(change)));
  };
  CHECK_FALSE(refused(1, {ViewId{8}, {1}}));
  CHECK(refused(1, {ViewId{9}, {1}}));
  CHECK(refused(1, {ViewId{8}, {3}}));
  CHECK(refused(1, {ViewId{8}, {1, 1}}));
}

TEST_CASE("a change names the kept members in their old order, then the joiners") {
  const Change change = sample();
  CHECK(raw(change.next.id) == 8);
  REQUIRE(change.next.size() == 3);
  CHECK(change.next.members[0].name == "a");
  CHECK(change.next.members[1].name == "c");
  CHECK(change.next.members[2].name == "new");
  CHECK(check(change, four()));
}

TEST_CASE("a change comes back from the wire as it was, and nothing shorter or longer does") {
  const Change change = sample();
  auto bytes = encode(change);
  const auto back = decode_change(Bytes(bytes));
  REQUIRE(back);
  CHECK(*back == change);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    CHECK_FALSE(decode_change(Bytes(bytes).first(size)));
  bytes.push_back({});
  CHECK_FALSE(decode_change(Bytes(bytes)));
}

TEST_CASE(
    "frozen counts come back from the wire as they were, and nothing shorter or longer does") {
  const Frozen frozen{{{1, 2, 3}, {}, {~Round{0}}}};
  auto bytes = encode(frozen);
  const auto back = decode_frozen(Bytes(bytes));
  REQUIRE(back);
  CHECK(*back == frozen);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    CHECK_FALSE(decode_frozen(Bytes(bytes).first(size)));
  bytes.push_back({});
  CHECK_FALSE(decode_frozen(Bytes(bytes)));
}

TEST_CASE("every part of a change counts when two are compared") {
  const Change change = sample();
  const auto differs = [&](auto edit) {
    Change other = change;
    edit(other);
    return !(other == change);
  };
  CHECK(differs([](Change& c) { c.next.id = ViewId{9}; }));
  CHECK(differs([](Change& c) { c.next.seating[0].since = ViewId{8}; }));
  CHECK(differs([](Change& c) { c.next.seating[1].members = {1}; }));
  CHECK(differs([](Change& c) { c.next.members[1].incarnation = Incarnation{6}; }));
  CHECK(differs([](Change& c) { c.next.members[1].name += "x"; }));
  CHECK(differs([](Change& c) { c.next.members[1].id = NodeId{1}; }));
  CHECK(differs([](Change& c) { c.kept.insert(1); }));
  CHECK(differs([](Change& c) { c.leaving.erase(3); }));
  CHECK(differs([](Change& c) { c.trim[2][0] = 2; }));
  CHECK(differs([](Change& c) { c.joiners[0].secret[0] = std::byte{1}; }));
  CHECK(differs([](Change& c) { c.joiners[0].fabric_address = "y"; }));
  CHECK(differs([](Change& c) { c.joiners.clear(); }));
}

TEST_CASE("counts over a limit are refused before anything is allocated for them") {
  Writer channels;
  channels.put(std::uint32_t{ChangeLimits::channels + 1});
  CHECK_FALSE(decode_frozen(channels.bytes()));
  Writer senders;
  senders.put(std::uint32_t{1}).put(std::uint32_t{max_members + 1});
  for (Rank sender = 0; sender <= max_members; ++sender) senders.put(Round{});
  CHECK_FALSE(decode_frozen(senders.bytes()));
  Writer many;
  many.put(std::uint32_t{ChangeLimits::channels}).put(~std::uint32_t{0});
  CHECK_FALSE(decode_frozen(many.bytes()));

  Change named = sample();
  named.next.members[0].name = std::string(ChangeLimits::name_bytes + 1, 'x');
  CHECK_FALSE(decode_change(Bytes(encode(named))));
  Change far = sample();
  far.joiners[0].fabric_address = std::string(ChangeLimits::address_bytes + 1, 'x');
  CHECK_FALSE(decode_change(Bytes(encode(far))));
  // Up to the limit all is well.
  far.joiners[0].fabric_address.pop_back();
  CHECK(decode_change(Bytes(encode(far))));
}

TEST_CASE("a change that breaks a rule of views does not fit") {
  const View old = four();
  const auto refused = [&](auto edit) {
    Change change = sample();
    edit(change);
    return !check(change, old);
  };
  CHECK(refused([](Change& c) { c.next.id = ViewId{7}; }));
  CHECK(refused([](Change& c) { c.leaving.insert(0); }));
  CHECK(refused([](Change& c) { c.leaving.insert(4); }));
  CHECK(refused([](Change& c) { c.next.members[0].incarnation = Incarnation{6}; }));
  CHECK(refused([](Change& c) { std::swap(c.next.members[0], c.next.members[1]); }));
  CHECK(refused([](Change& c) { c.next.members.pop_back(); }));
  CHECK(refused([](Change& c) { c.next.members.back().name = "old"; }));
  CHECK(refused([](Change& c) { c.trim.resize(ChangeLimits::channels + 1); }));

  // A view that keeps two admits at most two; a node is in it once.
  const auto with = [&](std::vector<Joiner> joiners) {
    return make_change(old, ranks({0, 2}), {}, std::move(joiners), {});
  };
  CHECK(check(with({joiner(1), joiner(2)}), old));
  CHECK_FALSE(check(with({joiner(1), joiner(2), joiner(3)}), old));
  CHECK_FALSE(check(with({joiner(1), joiner(1)}), old));
  CHECK_FALSE(check(with({joiner(12)}), old));
  // A new run of a member that is out may come back.
  CHECK(check(with({joiner(11)}), old));
  // Everyone may leave together; but somebody must be there to end the view.
  CHECK(check(make_change(old, {}, RankSet::all(4), {}, {}), old));
  CHECK_FALSE(check(make_change(old, {}, {}, {}, {}), old));
}

}  // namespace
}  // namespace squall::membership
