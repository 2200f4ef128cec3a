#include "groups/object/read_rounds.h"

#include <doctest/doctest.h>

using squall::NodeId;
using squall::Rank;
using squall::View;
using squall::ViewId;
using squall::objects::ReadRounds;

namespace {

NodeId node(Rank rank) {
  return NodeId{100 + rank};
}

std::shared_ptr<const View> view_of(std::uint64_t id, std::initializer_list<Rank> nodes) {
  View view;
  view.id = ViewId{id};
  for (const Rank rank : nodes) view.members.push_back({node(rank), {}, ""});
  return std::make_shared<const View>(view);
}

using Calls = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("a read is due when this member has executed as much as the furthest had") {
  ReadRounds rounds;
  CHECK(rounds.idle());
  rounds.add(7);
  REQUIRE(rounds.wants_round());
  const auto view = view_of(1, {0, 1, 2});
  rounds.begin(view, {1, 2}, 10);
  CHECK(!rounds.wants_round());
  CHECK(rounds.unasked() == std::vector<Rank>{1, 2});
  rounds.answered(node(1), rounds.number(), view->id, 12);
  CHECK(rounds.take_due(view->id, 20) == Calls{});
  rounds.answered(node(1), rounds.number(), view->id, 40);  // it was asked twice
  rounds.answered(node(2), rounds.number(), view->id, 11);
  CHECK(rounds.take_due(view->id, 11) == Calls{});
  CHECK(rounds.take_due(view->id, 12) == Calls{7});
  CHECK(rounds.idle());
}

TEST_CASE("reads that begin while a round is under way wait for the next one") {
  ReadRounds rounds;
  const auto view = view_of(1, {0, 1});
  rounds.add(1);
  rounds.begin(view, {1}, 0);
  rounds.add(2);
  const auto first = rounds.number();
  CHECK(!rounds.wants_round());
  rounds.answered(node(1), first, view->id, 3);
  CHECK(rounds.take_due(view->id, 3) == Calls{1});
  REQUIRE(rounds.wants_round());
  rounds.begin(view, {1}, 3);
  rounds.answered(node(1), first, view->id, 3);  // an answer to the first, late
  CHECK(rounds.take_due(view->id, 9) == Calls{});
  rounds.answered(node(1), rounds.number(), view->id, 5);
  CHECK(rounds.take_due(view->id, 5) == Calls{2});
}

TEST_CASE("alone, nobody is asked") {
  ReadRounds rounds;
  rounds.add(1);
  rounds.begin(view_of(4, {0}), {}, 6);
  CHECK(rounds.take_due(ViewId{4}, 6) == Calls{1});
}

TEST_CASE("a view change begins the round again, among those who are in it now") {
  ReadRounds rounds;
  const auto before = view_of(1, {0, 1, 2}), after = view_of(2, {0, 2, 3});
  rounds.add(1);
  rounds.begin(before, {1, 2}, 0);
  rounds.answered(node(2), rounds.number(), before->id, 8);
  rounds.add(2);
  CHECK(!rounds.outdated(before));
  REQUIRE(rounds.outdated(after));
  rounds.begin(after, {1, 2}, 0);
  rounds.answered(node(2), rounds.number(), after->id, 8);
  CHECK(rounds.take_due(after->id, 8) == Calls{});
  rounds.answered(node(3), rounds.number(), before->id, 0);  // still to install it
  SUBCASE("and waits until the application knows the view") {
    // Somebody who is gone may have executed what the others have only received.
    CHECK(rounds.take_due(before->id, 8) == Calls{});
    CHECK(rounds.take_due(after->id, 8) == Calls{1, 2});
  }
  SUBCASE("or a later one") {
    CHECK(rounds.take_due(ViewId{3}, 8) == Calls{1, 2});
  }
}

TEST_CASE("whoever is in a later view does not answer for this one") {
  ReadRounds rounds;
  const auto view = view_of(1, {0, 1});
  rounds.add(1);
  rounds.begin(view, {1}, 0);
  rounds.answered(node(1), rounds.number(), ViewId{2}, 3);
  CHECK(rounds.take_due(view->id, 9) == Calls{});
  rounds.answered(node(9), rounds.number(), view->id, 3);  // a stranger
  CHECK(rounds.take_due(view->id, 9) == Calls{});
}

TEST_CASE("who did not listen is asked again, unless it has answered") {
  ReadRounds rounds;
  const auto view = view_of(1, {0, 1, 2});
  rounds.add(1);
  rounds.begin(view, {1, 2}, 0);
  rounds.ask_again(node(2));
  CHECK(rounds.unasked() == std::vector<Rank>{1, 2});
  rounds.unasked().clear();
  rounds.answered(node(1), rounds.number(), view->id, 0);
  rounds.ask_again(node(1));
  rounds.ask_again(node(2));
  CHECK(rounds.unasked() == std::vector<Rank>{2});
}

TEST_CASE("what will not be answered comes out whole") {
  ReadRounds rounds;
  const auto view = view_of(1, {0, 1});
  rounds.add(1);
  rounds.begin(view, {1}, 0);
  rounds.answered(node(1), rounds.number(), view->id, 50);
  rounds.add(2);
  rounds.begin(view, {1}, 0);
  rounds.add(3);
  CHECK(rounds.take_all() == Calls{3, 2, 1});
  CHECK(rounds.idle());
}
