#include "core/multicast/bulk/transfer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "core/base/random.h"

namespace squall::multicast::bulk {
namespace {

constexpr std::uint32_t block_bytes = 1024;
constexpr Kind all_kinds[] = {Kind::sequential, Kind::chain, Kind::binomial_tree,
                              Kind::binomial_pipeline};

/// Everyone sends what it may, as long as anyone can; what is on its way arrives whenever it likes,
/// in order for each pair only.
void run(Kind kind, Place members, std::uint64_t bytes, std::uint64_t seed) {
  CAPTURE(name(kind));
  CAPTURE(members);
  CAPTURE(bytes);
  std::vector<Transfer> all;
  for (Place place = 0; place < members; ++place)
    all.emplace_back(kind, members, place, bytes, block_bytes);
  std::map<std::pair<Place, Place>, std::deque<Block>> links;
  std::uint64_t sent = 0, arrived = 0;
  Random random(seed);
  while (true) {
    std::vector<Place> able;
    for (Place place = 0; place < members; ++place)
      if (all[place].next()) able.push_back(place);
    std::vector<std::pair<Place, Place>> busy;
    for (const auto& [link, blocks] : links)
      if (!blocks.empty()) busy.push_back(link);
    if (able.empty() && busy.empty()) break;
    if (!able.empty() && (busy.empty() || random.one_in(2))) {
      const Place from = able[random.below(able.size())];
      const Move move = *all[from].next();
      links[{from, move.peer}].push_back(move.block);
      all[from].sent();
      ++sent;
    } else {
      const auto link = busy[random.below(busy.size())];
      REQUIRE(all[link.second].received(link.first, links[link].front()));
      links[link].pop_front();
      ++arrived;
    }
  }
  for (const Transfer& transfer : all) {
    CHECK(transfer.whole());
    CHECK(transfer.finished());
  }
  CHECK(sent == Transfer::block_count(bytes, block_bytes) * (members - 1));
  CHECK(arrived == sent);
}

TEST_CASE("without a common clock everyone gets every block once, whatever comes when") {
  for (const Kind kind : all_kinds)
    for (Place members = 2; members <= 20; ++members)
      for (const std::uint64_t bytes : {0, 1, 1024, 1025, 9 * 1024 + 7, 40 * 1024})
        run(kind, members, bytes, members * 1000 + bytes);
}

TEST_CASE("the last block is as long as what is left") {
  const Transfer transfer(Kind::chain, 2, 0, 2500, block_bytes);
  CHECK(transfer.size(0) == 1024);
  CHECK(transfer.size(2) == 2500 - 2048);
  CHECK(transfer.offset(2) == 2048);
  CHECK(Transfer(Kind::chain, 2, 0, 0, block_bytes).size(0) == 0);
}

TEST_CASE("parents and children are two sides of the same pairs") {
  for (const Kind kind : all_kinds)
    for (Place members = 2; members <= 9; ++members) {
      std::vector<Transfer> all;
      for (Place place = 0; place < members; ++place)
        all.emplace_back(kind, members, place, 20 * block_bytes, block_bytes);
      for (Place from = 0; from < members; ++from)
        for (Place to = 0; to < members; ++to) {
          const auto& children = all[from].children();
          const auto& parents = all[to].parents();
          CHECK((std::ranges::find(children, to) != children.end()) ==
                (std::ranges::find(parents, from) != parents.end()));
        }
      CHECK(all[0].parents().empty());
    }
}

TEST_CASE("a block that nobody sends, that is here, or that there is not, cannot come") {
  Transfer transfer(Kind::chain, 4, 2, 3 * block_bytes, block_bytes);
  CHECK_FALSE(transfer.received(0, 0));  // its parent is 1
  CHECK_FALSE(transfer.received(1, 3));
  CHECK(transfer.received(1, 0));
  CHECK_FALSE(transfer.received(1, 0));
  CHECK_FALSE(transfer.whole());
  CHECK(transfer.next() == Move{3, 0});
}

}  // namespace
}  // namespace squall::multicast::bulk
