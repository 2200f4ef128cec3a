#include "core/membership/layout.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace squall::membership {
namespace {

View view_of(std::uint64_t id, const std::string& names) {
  View view{ViewId{id}, {}};
  for (const char name : names)
    view.members.push_back({NodeId{static_cast<std::uint64_t>(name)}, Incarnation{1}, {name}});
  return view;
}

/// Who is in each shard, by name: "ab cd".
std::string text(const View& view, const Shards& shards) {
  std::string text;
  for (const auto& shard : shards) {
    if (!text.empty()) text += ' ';
    for (const Rank rank : shard) text += view.members[rank].name;
    if (shard.empty()) text += '-';
  }
  return text;
}

/// A group that goes from view to view.
struct Story {
  Layout layout;
  std::size_t shards;
  View view = {};
  std::string missing = {};

  std::string go(std::uint64_t id, const std::string& names) {
    View next = view_of(id, names);
    next.seating.resize(shards);
    const auto fine = seat(layout, 0, shards, view.members.empty() ? nullptr : &view, next);
    missing = fine ? "" : fine.error().what;
    view = next;
    Shards seats;
    for (const Seating& seating : view.seating) seats.push_back(seating.members);
    return text(view, seats);
  }
  std::string since() const {
    std::string text;
    for (const Seating& seating : view.seating) text += std::to_string(raw(seating.since));
    return text;
  }
};

TEST_CASE("everyone is where everyone is") {
  Story story{everyone(), 1};
  CHECK(story.go(1, "abc") == "abc");
  CHECK(story.go(2, "acd") == "acd");
  CHECK(story.since() == "1");
}

TEST_CASE("of those named, those who are there, in that order; of none, nobody") {
  Story story{named({"c", "a"}), 1};
  CHECK(story.go(1, "abc") == "ca");
  CHECK(story.go(2, "bc") == "c");
  CHECK(story.go(3, "b") == "-");
  CHECK(story.missing == "none of its members is there: c, a");
  CHECK(story.go(4, "ba") == "a");
  CHECK(story.missing.empty());
  // Nobody who is in it has anything of what was there in view 2.
  CHECK(story.since() == "4");
}

TEST_CASE("shards begin when they can be filled, and say what is missing until then") {
  Story story{sharded(2, 2), 2};
  CHECK(story.go(1, "abc") == "- -");
  CHECK(story.missing == "2 shards of 2 need 4 members, and there are 3");
  CHECK(story.go(2, "abcd") == "ac bd");
  CHECK(story.missing.empty());
  CHECK(story.since() == "22");
}

TEST_CASE("a group without shards needs its replicas") {
  Story story{sharded(1, 2), 1};
  CHECK(story.go(1, "a") == "-");
  CHECK(story.missing == "it needs 2 members, and there is 1");
  CHECK(story.go(2, "abc") == "ab");
}

TEST_CASE("who is lost is replaced, and nobody is moved") {
  Story story{sharded(2, 2), 2};
  CHECK(story.go(1, "abcde") == "ac bd");
  SUBCASE("by somebody who was idle") {
    CHECK(story.go(2, "bcde") == "ce bd");
  }
  SUBCASE("or by whoever comes next; until then the shard has fewer") {
    CHECK(story.go(2, "bcd") == "c bd");
    CHECK(story.go(3, "bcdf") == "cf bd");
    CHECK(story.since() == "11");
  }
  SUBCASE("a shard of which nobody is left begins anew") {
    CHECK(story.go(2, "bd") == "- bd");
    CHECK(story.go(3, "bdx") == "x bd");
    CHECK(story.since() == "31");
  }
  SUBCASE("a former member that runs again is a new one") {
    View next = view_of(2, "abcd");
    next.members[0].incarnation = Incarnation{2};
    next.seating.resize(2);
    REQUIRE(seat(story.layout, 0, 2, &story.view, next));
    CHECK(next.seating[0].members == std::vector<Rank>{2, 0});
  }
}

TEST_CASE("the poorest shard is helped first") {
  Story story{sharded(2, 3), 2};
  CHECK(story.go(1, "abcdef") == "ace bdf");
  CHECK(story.go(2, "abd") == "a bd");
  CHECK(story.go(3, "abdx") == "ax bd");
}

TEST_CASE("a layout in code that seats somebody twice or nowhere keeps what was there") {
  Shards answer{{0}, {1}};
  Story story{[&](const View&, const Shards&) -> Result<Shards> { return answer; }, 2};
  CHECK(story.go(1, "ab") == "a b");
  answer = {{0}, {0}};
  CHECK(story.go(2, "ab") == "a b");
  CHECK(story.missing == "the layout seats a twice");
  answer = {{2}, {0}};
  CHECK(story.go(3, "ab") == "a b");
  CHECK(story.missing == "the layout seats rank 2 of 2");
  answer = {{0}};
  CHECK(story.go(4, "ab") == "a b");
  CHECK(story.missing == "the layout gives 1 shards, not 2");
}

}  // namespace
}  // namespace squall::membership
