// The stages step by step: frontiers set by hand, what comes out in a table.

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "core/mirror/fake_network.h"
#include "core/mirror/ring_reader.h"
#include "core/mirror/table.h"
#include "core/multicast/stage.h"
#include "groups/modules/fifo.h"
#include "groups/modules/stable.h"
#include "groups/modules/stage_test_kit.h"
#include "groups/modules/total.h"

namespace squall::modules {
namespace {

TEST_CASE("fifo lets everything through, promises nothing and closes nothing") {
  At<Fifo> fifo(3, 0, {0, 1, 2});
  CHECK(fifo.step({5, 0, 9}) == Rounds{5, 0, 9});
  CHECK(fifo.promise == 0);
  Rounds frontier{5, 0, 9};
  fifo.stage->close(frontier);
  CHECK(frontier == Rounds{5, 0, 9});
}

TEST_CASE("fifo walks each sender to its frontier at once") {
  At<Fifo> fifo(3, 0, {0, 1, 2});
  std::vector<multicast::Run> runs(8);
  const Rounds heads{2, mirror::no_round, 9}, to{5, 7, 9};
  REQUIRE(fifo.stage->walk(heads, to, runs) == 1);
  CHECK(runs[0].sender == 0);
  CHECK(runs[0].end == 5);
}

TEST_CASE("total: what is below the first place that is neither received nor skipped") {
  const struct {
    Rounds received, closed;
  } table[] = {
      {{0, 0, 0}, {0, 0, 0}}, {{1, 0, 0}, {1, 0, 0}}, {{0, 1, 1}, {0, 0, 0}},
      {{1, 1, 0}, {1, 1, 0}}, {{1, 1, 1}, {1, 1, 1}}, {{9, 1, 3}, {2, 1, 1}},
      {{4, 4, 3}, {4, 4, 3}}, {{3, 4, 4}, {3, 3, 3}}, {{7}, {7}},
  };
  for (const auto& [received, closed] : table) {
    // At a member that is no sender, nothing is promised, so the step is the closure alone.
    const auto senders = static_cast<Rank>(received.size());
    std::vector<Rank> ranks;
    for (Rank rank = 0; rank < senders; ++rank) ranks.push_back(rank);
    At<Total> total(senders + 1, senders, ranks);
    CHECK(total.step(received) == closed);
    CHECK(total.promise == 0);
    Rounds again = received;
    total.stage->close(again);
    CHECK(again == closed);
  }
}

TEST_CASE("total: a sender that sees others ahead promises as much, and that counts at once") {
  At<Total> total(3, 1, {0, 1, 2});
  CHECK(total.step({0, 0, 0}) == Rounds{0, 0, 0});
  CHECK(total.promise == 0);
  CHECK(total.step({3, 1, 2}) == Rounds{3, 3, 2});
  CHECK(total.promise == 3);
  // Its own lead is no reason to promise more than it has used.
  CHECK(total.step({3, 8, 3}) == Rounds{3, 3, 3});
  CHECK(total.promise == 8);
}

TEST_CASE("total: one active sender among many is held up by nobody once they have promised") {
  At<Total> receiver(4, 3, {0, 1, 2});
  CHECK(receiver.step({100, 0, 0}) == Rounds{1, 0, 0});
  CHECK(receiver.step({100, 100, 0}) == Rounds{1, 1, 0});
  CHECK(receiver.step({100, 100, 100}) == Rounds{100, 100, 100});
  // The active sender itself needs no promise of its own.
  At<Total> sender(4, 0, {0, 1, 2});
  CHECK(sender.step({100, 99, 100}) == Rounds{100, 99, 99});
  CHECK(sender.promise == 100);
}

TEST_CASE("total: a lone sender delivers all that it has, and ranks are not sender indices") {
  At<Total> lone(3, 2, {2});
  CHECK(lone.step({42}) == Rounds{42});
  CHECK(lone.promise == 42);
  At<Total> two(3, 2, {2, 0});  // member 2 is sender 0
  CHECK(two.step({1, 5}) == Rounds{5, 5});
}

TEST_CASE("total walks by rounds, then by senders, and skips nobody in between") {
  At<Total> total(3, 0, {0, 1, 2});
  std::vector<multicast::Run> runs(16);
  const Rounds heads{1, 0, mirror::no_round}, to{3, 2, 2};
  const std::size_t count = total.stage->walk(heads, to, runs);
  std::vector<std::pair<multicast::SenderIndex, Round>> got;
  for (std::size_t run = 0; run < count; ++run) got.emplace_back(runs[run].sender, runs[run].end);
  CHECK(got ==
        std::vector<std::pair<multicast::SenderIndex, Round>>{{1, 1}, {0, 2}, {1, 2}, {0, 3}});
}

TEST_CASE("total walks a single active sender to the end in one run") {
  At<Total> total(3, 0, {0, 1, 2});
  std::vector<multicast::Run> runs(2);
  const Rounds heads{mirror::no_round, 5, 90}, to{90, 80, 80};
  REQUIRE(total.stage->walk(heads, to, runs) == 1);
  CHECK(runs[0].sender == 1);
  CHECK(runs[0].end == 80);
  const Rounds nobody(3, mirror::no_round);
  CHECK(total.stage->walk(nobody, to, runs) == 0);
}

TEST_CASE("total gets further in every walk, also when the first head is of a late sender") {
  At<Total> total(3, 0, {0, 1, 2});
  std::vector<multicast::Run> runs(1);
  const Rounds heads{7, 5, 3}, to{9, 9, 9};
  REQUIRE(total.stage->walk(heads, to, runs) == 1);
  CHECK(runs[0].sender == 2);
  CHECK(runs[0].end == 4);
}

TEST_CASE("total fills the runs it is given and no more") {
  At<Total> total(2, 0, {0, 1});
  std::vector<multicast::Run> runs(3);
  const Rounds heads{0, 0}, to{50, 50};
  CHECK(total.stage->walk(heads, to, runs) == 3);
}

TEST_CASE("stable: a message passes when every member has told that it holds it") {
  At<Stable> stable(3, 0, {0, 1});
  const mirror::Column held{0, 2};
  CHECK(stable.step({4, 2}) == Rounds{0, 0});
  CHECK(stable.tables[0]->get(0, held, 0) == 4);
  CHECK(stable.tables[0]->get(0, held, 1) == 2);
  stable.tables[1]->raise(held, 0, 3);
  stable.tables[1]->raise(held, 1, 2);
  stable.tables[1]->push();
  stable.network.land();
  CHECK(stable.step({4, 2}) == Rounds{0, 0});  // member 2, no sender, has told nothing
  stable.tables[2]->raise(held, 0, 9);
  stable.tables[2]->raise(held, 1, 1);
  stable.tables[2]->push();
  stable.network.land();
  CHECK(stable.step({4, 2}) == Rounds{3, 1});
}

TEST_CASE("stable never lets pass what the stage below does not") {
  At<Stable> stable(2, 0, {0, 1});
  const mirror::Column held{0, 2};
  stable.tables[1]->raise(held, 0, 100);
  stable.tables[1]->push();
  stable.network.land();
  CHECK(stable.step({3, 0}, {10, 0}, {10, 0}) == Rounds{3, 0});
}

TEST_CASE("stable: who is asked whom it waits for cuts to what that member has told") {
  At<Stable> stable(3, 0, {0, 1});
  const mirror::Column held{0, 2};
  stable.tables[1]->raise(held, 0, 3);
  stable.tables[1]->push();
  stable.network.land();
  Rounds frontier{4, 2};
  stable.stage->cut_to(1, *stable.tables[0], frontier);
  CHECK(frontier == Rounds{3, 0});
  frontier = {2, 0};
  stable.stage->cut_to(1, *stable.tables[0], frontier);
  CHECK(frontier == Rounds{2, 0});
}

TEST_CASE("stable: skips need no telling, neither by this member nor by others") {
  At<Stable> stable(2, 0, {0, 1});
  const mirror::Column held{0, 2};
  // Sender 0 sent up to round 2, then promised up to 50; sender 1 never sent.
  CHECK(stable.step({50, 50}, {2, 0}) == Rounds{0, 50});
  CHECK(stable.tables[0]->get(0, held, 0) == 2);
  CHECK(stable.tables[0]->get(0, held, 1) == 0);
  stable.tables[1]->raise(held, 0, 2);
  stable.tables[1]->push();
  stable.network.land();
  CHECK(stable.step({50, 50}, {2, 0}) == Rounds{50, 50});
}

TEST_CASE("stable: a new message behind skips takes back nothing that was stable") {
  At<Stable> stable(2, 0, {0});
  const mirror::Column held{0, 1};
  stable.tables[1]->raise(held, 0, 2);
  stable.tables[1]->push();
  stable.network.land();
  CHECK(stable.step({50}, {2}) == Rounds{50});
  CHECK(stable.step({51}, {51}) == Rounds{50});
  stable.tables[1]->raise(held, 0, 51);
  stable.tables[1]->push();
  stable.network.land();
  CHECK(stable.step({51}, {51}) == Rounds{51});
}

}  // namespace
}  // namespace squall::modules
