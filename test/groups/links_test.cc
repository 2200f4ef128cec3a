// Members whose fabric is a mix: the links of a pair are cut from outside, one kind at a time,
// while everyone sends.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <signal.h>

#include <cstdio>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "test/groups/cut.h"
#include "test/groups/member.h"
#include "test/groups/moment.h"
#include "test/groups/process.h"
#include "test/groups/stream.h"

namespace squall::group_tests {
namespace {

/// What SQUALL_TEST_FABRIC says, which must be a mix with shm.
std::string mix() {
  return fabric_name == "shm" ? "shm+tcp" : fabric_name;
}

/// Three members on one host, over shm and a network at once, that stream.
struct StreamingGroup {
  /// With `large`, of which every fourth message is a large object.
  explicit StreamingGroup(bool large = false) : seats(3, mix()) {
    if (large) seats.each([](Config& config) { config.groups[0].ring_bytes = mixed_ring_bytes; });
    members = start_members(seats, large ? Play(stream_mixed) : Play(stream));
    for (auto& member : members) member->expect_word("flowing");
    why_not = why_no_cut(members[0]->pid());
    if (!why_not.empty())
      std::printf("SKIPPED: connections that are cut from outside: %s\n", why_not.c_str());
  }
  std::vector<Process*> all() {
    std::vector<Process*> some;
    for (auto& member : members)
      if (member) some.push_back(member.get());
    return some;
  }
  /// How much each has delivered; fails if it says anything else before, such as a view.
  std::vector<std::size_t> counts() {
    std::vector<std::size_t> delivered;
    for (Process* member : all()) {
      member->say("count");
      const std::string word = member->hear();
      REQUIRE_MESSAGE(word.find_first_not_of("0123456789") == word.npos, word);
      delivered.push_back(std::stoul(word));
    }
    return delivered;
  }
  /// Everyone delivers that much more, without a view.
  void flow(std::size_t more) {
    const std::vector<std::size_t> before = counts();
    const Time deadline = Monotonic::now() + patience;
    for (bool enough = false; !enough;) {
      REQUIRE(Monotonic::now() < deadline);
      const std::vector<std::size_t> now = counts();
      enough = true;
      for (std::size_t at = 0; at < now.size(); ++at) enough &= now[at] >= before[at] + more;
    }
  }
  pid_t pid(std::size_t seat) { return members[seat]->pid(); }

  Seats seats;
  std::vector<std::unique_ptr<Process>> members;
  std::string why_not;
};

// By seat: each pair once, from either end.
constexpr std::size_t pairs[][2] = {{0, 1}, {2, 1}, {0, 2}};

TEST_CASE("shared memory of one pair after the other is cut: no view comes, and all is delivered") {
  StreamingGroup group;
  if (!group.why_not.empty()) return;
  for (const auto& [one, other] : pairs) {
    // A connection for control, and one for the view's mirrors.
    CHECK(cut_shared_memory(group.pid(one), group.pid(other)) == 2);
    group.flow(300);
    CHECK(cut_shared_memory(group.pid(one), group.pid(other)) == 0);
  }
  check_traces(finish(group.all()), "total | stable");
}

TEST_CASE(
    "shared memory is cut beside large objects, which travel over the network: no view comes") {
  StreamingGroup group(true);
  if (!group.why_not.empty()) return;
  for (const auto& [one, other] : pairs) {
    CHECK(cut_shared_memory(group.pid(one), group.pid(other)) == 2);
    group.flow(100);
  }
  Ends ends;
  ends.message = mixed;
  check_traces(finish(group.all()), "total | stable", ends);
}

TEST_CASE("tcp of one pair after the other is cut: no view comes, and all is delivered") {
  if (mix() != "shm+tcp") return;
  StreamingGroup group;
  if (!group.why_not.empty()) return;
  for (const auto& [one, other] : pairs) {
    CHECK(cut_tcp(group.pid(one), group.pid(other), group.seats.addresses) > 0);
    group.flow(300);
  }
  check_traces(finish(group.all()), "total | stable");
}

TEST_CASE("a member is killed after its links have moved: the others go on in a view without it") {
  StreamingGroup group;
  if (!group.why_not.empty()) return;
  CHECK(cut_shared_memory(group.pid(0), group.pid(2)) == 2);
  group.flow(300);
  const Moment killed = Moment::now();
  group.members[2]->signal(SIGKILL);
  group.members[2].reset();
  for (Process* member : group.all()) expect_view(*member, killed + 2s + notice, {"c"});
  // And that view begins with all links again.
  group.flow(100);
  CHECK(cut_shared_memory(group.pid(0), group.pid(1)) == 2);
  group.flow(300);
  Ends ends;
  ends.dead = {2};
  check_traces(finish(group.all()), "total | stable", ends);
}

TEST_CASE(
    "the link of large objects is cut: the view changes, and each is delivered once or resent") {
  if (mix() != "shm+tcp") return;
  StreamingGroup group(true);
  if (!group.why_not.empty()) return;
  CHECK(cut_tcp(group.pid(1), group.pid(2), group.seats.addresses) > 0);
  // Nothing may have been on its way just then, but something will be.
  const Word view = expect_view(*group.members[0], Monotonic::now() + patience, {});
  CHECK_MESSAGE((view.text.starts_with("b: ") || view.text.starts_with("c: ")), view.text);
}

TEST_CASE("both links of a pair are cut: that is a loss, and one of the two is out") {
  if (mix() != "shm+tcp") return;
  StreamingGroup group;
  if (!group.why_not.empty()) return;
  CHECK(cut_shared_memory(group.pid(1), group.pid(2)) == 2);
  cut_tcp(group.pid(1), group.pid(2), group.seats.addresses);
  const Word view = expect_view(*group.members[0], Monotonic::now() + patience, {});
  CHECK_MESSAGE((view.text.starts_with("b: ") || view.text.starts_with("c: ")), view.text);
}

}  // namespace
}  // namespace squall::group_tests
