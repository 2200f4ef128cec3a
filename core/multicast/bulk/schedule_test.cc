// Every schedule, for every number of members up to 64: as many steps as the paper says, everyone
// gets every block once, has what it sends, and does one thing at a time.
#include "core/multicast/bulk/schedule.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <string>
#include <vector>

namespace squall::multicast::bulk {
namespace {

constexpr Kind kinds[] = {Kind::sequential, Kind::chain, Kind::binomial_tree,
                          Kind::binomial_pipeline};

/// What is wrong with it; empty: nothing.
std::string run(Kind kind, Place members, Block blocks) {
  std::vector<std::unique_ptr<const Schedule>> all;
  for (Place self = 0; self < members; ++self)
    all.push_back(Schedule::make(kind, members, blocks, self));
  std::vector<std::vector<bool>> has(members, std::vector<bool>(blocks, false));
  has[0].assign(blocks, true);
  const auto at = [](Place who, Step step) {
    return " at " + std::to_string(who) + " in step " + std::to_string(step);
  };
  for (Step step = 0; step < all[0]->steps(); ++step) {
    std::vector<Move> got;  // who, what
    for (Place self = 0; self < members; ++self) {
      if (const auto out = all[self]->sends(step)) {
        if (out->peer >= members || out->peer == self || out->block >= blocks)
          return "nobody, or nothing" + at(self, step);
        if (!has[self][out->block]) return "it does not have it" + at(self, step);
        if (all[out->peer]->receives(step) != Move{self, out->block})
          return "not expected" + at(out->peer, step);
      }
      if (const auto in = all[self]->receives(step)) {
        if (in->peer >= members || all[in->peer]->sends(step) != Move{self, in->block})
          return "not sent" + at(self, step);
        if (has[self][in->block]) return "it has it already" + at(self, step);
        got.push_back({self, in->block});
      }
    }
    for (const Move& each : got) has[each.peer][each.block] = true;
  }
  for (Place self = 0; self < members; ++self) {
    if (all[self]->sends(all[0]->steps()) || all[self]->receives(all[0]->steps()))
      return "there is no such step" + at(self, all[0]->steps());
    for (const bool one : has[self])
      if (!one) return "something is missing" + at(self, all[0]->steps());
  }
  return "";
}

TEST_CASE("everyone gets every block once, and nobody does two things at a time") {
  for (const Kind kind : kinds)
    for (Place members = 1; members <= 64; ++members)
      for (const Block blocks : {1u, 2u, 3u, 4u, 5u, 7u, 8u, 13u, 32u, 50u}) {
        const std::string wrong = run(kind, members, blocks);
        CHECK_MESSAGE(wrong.empty(),
                      wrong << ": " << name(kind) << " " << members << " " << blocks);
      }
}

TEST_CASE("many members, many blocks") {
  for (const Place members : {200u, 256u, 511u})
    CHECK(run(Kind::binomial_pipeline, members, 9).empty());
  for (const Place members : {4u, 5u, 7u})
    CHECK(run(Kind::binomial_pipeline, members, 1000).empty());
}

TEST_CASE("as many steps as the paper says") {
  for (Place members = 2; members <= 64; ++members)
    for (const Block blocks : {1u, 6u, 100u}) {
      const auto rounds = static_cast<Step>(std::ceil(std::log2(members)));
      const auto whole = static_cast<Step>(std::log2(members));
      CHECK(steps_of(Kind::sequential, members, blocks) == Step{blocks} * (members - 1));
      CHECK(steps_of(Kind::chain, members, blocks) == Step{blocks} + members - 2);
      CHECK(steps_of(Kind::binomial_tree, members, blocks) == blocks * rounds);
      CHECK(steps_of(Kind::binomial_pipeline, members, blocks) ==
            blocks + whole - 1 + (std::has_single_bit(members) ? 0 : 1));
    }
  for (const Kind kind : kinds) CHECK(steps_of(kind, 1, 10) == 0);
}

TEST_CASE(
    "the owner of a pipeline sends every block once, in order, and then the last one's copies") {
  const auto owner = Schedule::make(Kind::binomial_pipeline, 8, 5, 0);
  std::string sent;
  for (Step step = 0; step < owner->steps(); ++step)
    if (const auto move = owner->sends(step)) sent += std::to_string(move->block);
  CHECK(sent.substr(0, 5) == "01234");
  CHECK(sent.find_first_not_of('4', 5) == std::string::npos);
}

TEST_CASE("schedules have names") {
  for (const Kind kind : kinds) CHECK(kind_named(name(kind)) == kind);
  CHECK(!kind_named("binomial"));
}

}  // namespace
}  // namespace squall::multicast::bulk
