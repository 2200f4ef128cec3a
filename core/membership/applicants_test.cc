#include "core/membership/applicants.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "core/membership/admission_story.h"

namespace squall::membership {
namespace {

using namespace admission_story;

constexpr Duration patience = 100ms;

TEST_CASE("who is named may come in, and who is named no more is forgotten") {
  Applicants applicants;
  const View view = view_of(1, "ab");
  CHECK_FALSE(applicants.any(view));
  applicants.named(joiner("c", 1), at(0));
  CHECK(applicants.any(view));
  applicants.forget(at(100), patience);
  CHECK(applicants.admissible(view, 2).size() == 1);
  applicants.named(joiner("c", 1), at(90));
  applicants.forget(at(190), patience);
  CHECK(applicants.any(view));
  applicants.forget(at(191), patience);
  CHECK_FALSE(applicants.any(view));
  CHECK(applicants.admissible(view, 2).empty());
}

TEST_CASE("of two runs of one node the later one counts, in whatever order they are named") {
  for (const bool later_first : {false, true}) {
    Applicants applicants;
    applicants.named(joiner("c", 1, later_first ? 2 : 1), at(0));
    applicants.named(joiner("c", 1, later_first ? 1 : 2), at(1));
    const auto joiners = applicants.admissible(view_of(1, "ab"), 2);
    REQUIRE(joiners.size() == 1);
    CHECK(joiners[0].member.incarnation == Incarnation{2});
  }
}

TEST_CASE("a node that is in the view comes in no second time, nor in the view that it is out of") {
  Applicants applicants;
  applicants.named(joiner("b", 1, 2), at(0));
  CHECK_FALSE(applicants.any(view_of(1, "ab")));
  CHECK(applicants.admissible(view_of(1, "ab"), 1).empty());
  CHECK(applicants.admissible(view_of(2, "a"), 1).size() == 1);
}

TEST_CASE("a view admits at most as many as it keeps, and as fit") {
  Applicants applicants;
  for (const char name : std::string("cdefg"))
    applicants.named(joiner(std::string(1, name), 1), at(0));
  const View view = view_of(1, "ab");
  CHECK(applicants.admissible(view, 1).size() == 1);
  CHECK(applicants.admissible(view, 2).size() == 2);
  View large{ViewId{1}, {}};
  for (Rank rank = 0; rank < max_members - 3; ++rank)
    large.members.push_back(member("m" + std::to_string(rank)));
  CHECK(applicants.any(large));
  CHECK(applicants.admissible(large, large.size()).size() == 3);
  for (const char* more : {"x", "y", "z"}) large.members.push_back(member(more));
  CHECK_FALSE(applicants.any(large));
  CHECK(applicants.admissible(large, large.size()).empty());
}

TEST_CASE("no more are kept than a limit, and who is known stays known") {
  Applicants applicants;
  const View view = view_of(1, "ab");
  for (std::size_t count = 0; count < Applicants::most; ++count)
    applicants.named(joiner("n" + std::to_string(count), 1), at(0));
  applicants.named(joiner("late", 1), at(1));
  applicants.named(joiner("n0", 1, 2), at(1));
  applicants.forget(at(101), patience);  // all but n0
  const auto left = applicants.admissible(view, 2);
  REQUIRE(left.size() == 1);
  CHECK(left[0].member.name == "n0");
}

TEST_CASE("who came and is out again at once is not let in on what is still said of it") {
  Applicants applicants;
  const View without = view_of(3, "ab");
  applicants.named(joiner("c", 1), at(0));
  applicants.came({joiner("c", 1)}, at(110));
  CHECK_FALSE(applicants.any(without));
  applicants.named(joiner("c", 1), at(50));
  CHECK_FALSE(applicants.any(without));
  // Its next run is somebody else; and later it may have had to ask again.
  applicants.named(joiner("c", 1, 2), at(60));
  CHECK(applicants.any(without));
  applicants.forget(at(200), patience);
  applicants.named(joiner("c", 1), at(201));
  CHECK(applicants.any(without));
}

}  // namespace
}  // namespace squall::membership
