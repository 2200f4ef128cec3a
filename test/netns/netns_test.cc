// Groups over tcp whose network breaks: links that go down, that lose one direction, and whole
// groups that fall apart and come together again.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "groups/node.h"
#include "test/groups/member.h"
#include "test/groups/process.h"
#include "test/groups/stream.h"
#include "test/netns/network.h"

namespace squall::netns_tests {
namespace {

using group_tests::check_traces;
using group_tests::expect_stopped;
using group_tests::expect_view;
using group_tests::finish;
using group_tests::last_trace;
using group_tests::Moment;
using group_tests::Process;
using group_tests::Word;

constexpr Duration timeout = 1s;
/// What a busy machine may add.
constexpr Duration notice = 1s;
constexpr auto alone = "no majority of the view is left: ";
constexpr auto left_behind = "the others have gone on without this member";

/// True if these tests cannot run here; says so once.
bool skips() {
  static const std::string why = Network::why_not();
  static const int told =
      why.empty() ? 0 : std::printf("SKIPPED: broken networks: %s\n", why.c_str());
  return told != 0;
}

/// A group of members that stream, each on a host of its own.
class Hosts {
 public:
  explicit Hosts(std::size_t count, Duration failure_timeout = timeout)
      : network(count), seats_(count, "tcp") {
    seats_.close_all();
    seats_.each([&](Config& config) {
      for (std::size_t seat = 0; seat < count; ++seat)
        config.contacts[seat].address = network.address(seat) + ":7070";
      config.failure_timeout = failure_timeout;
    });
    members = start_members(seats_, [this](group_tests::Line& line, const Config& config) {
      network.enter(static_cast<std::size_t>(config.name[0] - 'a'));
      group_tests::stream(line, config);
    });
    for (auto& member : members) member->expect_word("flowing");
  }

  std::vector<Process*> some(const std::vector<std::size_t>& seats) {
    std::vector<Process*> chosen;
    for (const std::size_t seat : seats) chosen.push_back(members[seat].get());
    return chosen;
  }
  std::vector<std::string> names(const std::vector<std::size_t>& seats) {
    std::vector<std::string> chosen;
    for (const std::size_t seat : seats) chosen.push_back(seats_.configs[seat].name);
    return chosen;
  }

  Network network;

 private:
  group_tests::Seats seats_;

 public:
  std::vector<std::unique_ptr<Process>> members;
};

struct Sides {
  std::vector<std::size_t> go_on;
  std::vector<std::size_t> lost;
};

/// What a member saw when packets vanished: no link ends. Otherwise it took another's word for it.
constexpr std::array<std::string_view, 4> first_hand{
    ": silent for ", ": has not heard this node for ", ": accused this node",
    " that it is cut off from a majority"};
constexpr std::array<std::string_view, 2> hearsay{": accused by ", ": lost by the others"};

bool says_one_of(std::string_view text, const auto& parts) {
  return std::ranges::any_of(parts,
                             [&](std::string_view part) { return text.find(part) != text.npos; });
}

/// Those that go on come to views without the lost, until all those are out; returns when the first
/// of them had the first of these views. They may be lost one after the other.
Time expect_views(Hosts& hosts, const Sides& sides, const Moment& cut) {
  Time first = Time::max();
  int saw = 0;
  for (const std::size_t seat : sides.go_on) {
    std::vector<std::string> missing = hosts.names(sides.lost);
    while (!missing.empty()) {
      const Word view = expect_view(*hosts.members[seat], cut + timeout + notice, {});
      first = std::min(first, view.at);
      const std::size_t before = missing.size();
      std::erase_if(missing, [&](const std::string& name) {
        return ("; " + view.text).find("; " + name + ": ") != view.text.npos;
      });
      REQUIRE_MESSAGE(missing.size() < before, view.text);
      const bool own = says_one_of(view.text, first_hand);
      saw += own ? 1 : 0;
      CHECK_MESSAGE((own || says_one_of(view.text, hearsay)), view.text);
    }
  }
  CHECK(saw > 0);
  return first;
}

/// The rest of the story of a cut: the lost stop by `limit`, each for one of these reasons, having
/// delivered nothing after `view`; the others end in good order, and have all.
void end_after(Hosts& hosts, const Sides& sides, const Moment& view, const Moment& limit,
               std::initializer_list<std::string_view> whys) {
  for (const std::size_t seat : sides.lost) {
    const Word stop = expect_stopped(*hosts.members[seat], limit, "");
    CHECK_MESSAGE(says_one_of(stop.text, whys), stop.text);
  }
  auto traces = finish(hosts.some(sides.go_on));
  group_tests::Ends ends;
  for (const std::size_t seat : sides.lost) {
    // It must not deliver any more once others may do so without it.
    ends.stopped.push_back(traces.size());
    traces.push_back(last_trace(*hosts.members[seat], view));
  }
  check_traces(traces, "total | stable", ends);
}

TEST_CASE("a link goes down: the others go on in time, and who is cut off says so and stops") {
  if (skips()) return;
  for (const std::size_t victim : {0, 2}) {
    CAPTURE(victim);
    Hosts hosts(3);
    Sides sides{{0, 1, 2}, {victim}};
    std::erase(sides.go_on, victim);
    const Moment cut = Moment::now();
    hosts.network.link_down(victim);
    const Time view = expect_views(hosts, sides, cut);
    end_after(hosts, sides, view, cut + 3 * timeout + notice, {alone});
  }
}

TEST_CASE("a link loses one direction: one of its two ends is lost, and nobody else") {
  if (skips()) return;
  struct Case {
    std::size_t from, to;
  };
  for (const Case& hole : {Case{0, 1}, Case{1, 0}, Case{1, 2}, Case{2, 1}}) {
    CAPTURE(hole.from);
    CAPTURE(hole.to);
    Hosts hosts(3);
    const std::size_t third = 3 - hole.from - hole.to;
    const Moment cut = Moment::now();
    hosts.network.blackhole(hole.from, hole.to);
    // The earlier one's word spreads; the later one may have noticed, and agreed with the third,
    // before that.
    const Word view = expect_view(*hosts.members[third], cut + timeout + notice, {});
    Sides sides{{third}, {std::max(hole.from, hole.to)}};
    const std::size_t other = std::min(hole.from, hole.to);
    if (view.text.starts_with(hosts.names({other})[0] + ": ")) sides.lost = {other};
    CHECK_MESSAGE(view.text.starts_with(hosts.names(sides.lost)[0] + ": "), view.text);
    CHECK_MESSAGE(view.text.find("; ") == view.text.npos, view.text);
    sides.go_on = {hole.from + hole.to - sides.lost[0]};
    const Time first = std::min(view.at, expect_views(hosts, sides, cut));
    sides.go_on.push_back(third);
    // The third still reaches it, and tells.
    end_after(hosts, sides, first, cut + 3 * timeout + notice, {left_behind});
  }
}

TEST_CASE("a host hears nobody, and is heard by all: it alone is lost") {
  if (skips()) return;
  Hosts hosts(3);
  const Moment cut = Moment::now();
  hosts.network.blackhole(0, 2);
  hosts.network.blackhole(1, 2);
  const Sides sides{{0, 1}, {2}};
  const Time view = expect_views(hosts, sides, cut);
  end_after(hosts, sides, view, cut + 3 * timeout + notice, {alone});
}

TEST_CASE("no_majority: of a group cut in two, the minority delivers nothing and stops") {
  if (skips()) return;
  const std::vector<Sides> cuts{
      {{0, 1}, {2}},        // 2 | 1
      {{1, 2}, {0}},        // the coordinator alone
      {{2, 3, 4}, {0, 1}},  // 3 | 2, with the coordinator among the two
      {{0, 2}, {1, 3}},     // even: the half with rank 0 goes on
  };
  for (const Sides& sides : cuts) {
    CAPTURE(fmt::format("{}", fmt::join(sides.lost, ",")));
    Hosts hosts(sides.go_on.size() + sides.lost.size());
    const Moment cut = Moment::now();
    hosts.network.partition(sides.go_on, sides.lost);
    const Time view = expect_views(hosts, sides, cut);
    end_after(hosts, sides, view, cut + 3 * timeout + notice, {alone});
  }
}

TEST_CASE("a cut that heals when the majority has gone on: the minority stops, the group goes on") {
  if (skips()) return;
  for (const Sides& sides : {Sides{{0, 1}, {2}}, Sides{{0, 3, 4}, {1, 2}}}) {
    Hosts hosts(sides.go_on.size() + sides.lost.size());
    const Moment cut = Moment::now();
    hosts.network.partition(sides.go_on, sides.lost);
    expect_views(hosts, sides, cut);
    hosts.network.heal();
    // By whichever comes first: the news, or its patience. TCP itself waits ever longer between two
    // tries, so the news may take as long as the cut did. Heartbeats that were on their way when
    // the others went on may come before it: then it has contact, and may deliver what was stable
    // in the old view. That the others have delivered the same there, the checker knows.
    const Moment limit = cut + 3 * timeout + notice;
    end_after(hosts, sides, limit, limit, {alone, left_behind});
  }
}

TEST_CASE("a cut that heals well within the timeout costs nobody anything") {
  if (skips()) return;
  // TCP tries again 200 and 600 ms after the first loss, and then after 1400.
  Hosts hosts(5, 3s);
  hosts.network.partition({0, 1, 2}, {3, 4});
  usleep(400'000);  // sleep-ok: the cut itself
  hosts.network.heal();
  check_traces(finish(hosts.some({0, 1, 2, 3, 4})), "total | stable");
}

TEST_CASE("a link that goes down and comes back within the timeout costs nobody anything") {
  if (skips()) return;
  Hosts hosts(3, 3s);
  hosts.network.link_down(1);
  usleep(400'000);  // sleep-ok: the cut itself
  hosts.network.link_up(1);
  check_traces(finish(hosts.some({0, 1, 2})), "total | stable");
}

TEST_CASE("a host stops and continues: it is out, and says so") {
  if (skips()) return;
  Hosts hosts(3);
  const Moment cut = Moment::now();
  hosts.members[1]->signal(SIGSTOP);
  const Sides sides{{0, 2}, {1}};
  expect_views(hosts, sides, cut);
  const Moment continued = Moment::now();
  hosts.members[1]->signal(SIGCONT);
  // What it held when it was stopped it may deliver when it goes on.
  end_after(hosts, sides, continued + timeout / 2, continued + timeout + notice, {left_behind});
}

}  // namespace
}  // namespace squall::netns_tests
