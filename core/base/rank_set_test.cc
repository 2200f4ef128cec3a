#include "core/base/rank_set.h"

#include <doctest/doctest.h>

#include <set>

#include "core/base/random.h"

namespace squall {
namespace {

TEST_CASE("a set of ranks behaves as std::set") {
  Random random(7);
  RankSet ours;
  std::set<Rank> theirs;
  for (int step = 0; step < 5000; ++step) {
    const auto rank = static_cast<Rank>(random.below(max_members));
    if (random.one_in(2)) {
      ours.insert(rank);
      theirs.insert(rank);
    } else {
      ours.erase(rank);
      theirs.erase(rank);
    }
    CHECK(ours.contains(rank) == theirs.contains(rank));
    CHECK(ours.size() == theirs.size());
    CHECK(ours.empty() == theirs.empty());
    CHECK(ours.first() == (theirs.empty() ? max_members : *theirs.begin()));
  }
  CHECK(!ours.contains(max_members));
}

TEST_CASE("any two majorities of one view meet, also of an even split") {
  for (Rank members = 1; members <= 6; ++members) {
    for (unsigned a = 0; a < 1U << members; ++a) {
      for (unsigned b = 0; b < 1U << members; ++b) {
        RankSet left, right;
        left.words()[0] = a;
        right.words()[0] = b;
        if (is_majority(left, members) && is_majority(right, members))
          CHECK(!(left & right).empty());
        // One of the two sides of a split may always go on.
        if (b == (~a & ((1U << members) - 1)))
          CHECK(is_majority(left, members) != is_majority(right, members));
      }
    }
  }
}

TEST_CASE("union, intersection, difference, inclusion") {
  RankSet a, b;
  a.insert(3), a.insert(200);
  b.insert(200), b.insert(70);
  CHECK((a | b).size() == 3);
  CHECK((a & b).first() == 200);
  CHECK((a - b).first() == 3);
  CHECK((a | b).includes(a));
  CHECK(!a.includes(b));
  CHECK(RankSet::all(65).size() == 65);
}

}  // namespace
}  // namespace squall
