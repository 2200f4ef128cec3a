// A group of two hosts, two members on one and the others on the second: `auto` joins each pair by
// what the two have.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "groups/node.h"
#include "test/checker/checker.h"
#include "test/groups/cut.h"
#include "test/groups/member.h"
#include "test/groups/process.h"
#include "test/groups/stream.h"
#include "test/netns/network.h"

namespace squall::netns_tests {
namespace {

using group_tests::check_traces;
using group_tests::cut_shared_memory;
using group_tests::expect_view;
using group_tests::finish;
using group_tests::Line;
using group_tests::Moment;
using group_tests::patience;
using group_tests::Process;

constexpr Duration time_to_notice = 2s;

bool no_two_hosts() {
  static const std::string why = Network::why_not();
  static const int told =
      why.empty() ? 0 : std::printf("SKIPPED: groups on two hosts: %s\n", why.c_str());
  return told != 0;
}

/// Seats a, b, c, ... on the given hosts; whoever is not among the first `together` joins them.
class SharedHosts {
 public:
  SharedHosts(const std::vector<std::size_t>& places, std::size_t together)
      : network(1 + *std::ranges::max_element(places)), seats_(places.size(), "auto") {
    seats_.close_all();
    std::vector<Contact> contacts;
    for (std::size_t seat = 0; seat < places.size(); ++seat)
      contacts.push_back({seats_.configs[seat].name,
                          fmt::format("{}:{}", network.address(places[seat]), 7070 + seat)});
    for (std::size_t seat = 0; seat < places.size(); ++seat) {
      Config& config = seats_.configs[seat];
      config.contacts = {contacts.begin(),
                         contacts.begin() + static_cast<std::ptrdiff_t>(together)};
      if (together == 1) config.start = Start::create;
      if (seat < together) continue;
      config.start = Start::join;
      config.listen = contacts[seat].address;
    }
    // Those that join wait for their turn.
    members = start_members(seats_, [this, places, together](Line& line, const Config& config) {
      const auto seat = static_cast<std::size_t>(config.name[0] - 'a');
      network.enter(places[seat]);
      if (seat >= together)
        group_tests::expect(line.hear(2 * patience) == "join", "the test says when to join");
      group_tests::stream(line, config);
    });
  }
  void flow(std::initializer_list<std::size_t> seats) {
    for (const std::size_t seat : seats) members[seat]->expect_word("flowing");
  }
  std::vector<Process*> some(std::initializer_list<std::size_t> seats) {
    std::vector<Process*> chosen;
    for (const std::size_t seat : seats) chosen.push_back(members[seat].get());
    return chosen;
  }
  /// Everyone of these sees a view with the newcomer, and the newcomer flows.
  void join(std::size_t seat, std::initializer_list<std::size_t> others) {
    members[seat]->say("join");
    for (Process* other : some(others)) expect_view(*other, Monotonic::now() + patience, {});
    flow({seat});
  }
  std::size_t shares(std::size_t one, std::size_t other) {
    return cut_shared_memory(members[one]->pid(), members[other]->pid());
  }

  Network network;

 private:
  group_tests::Seats seats_;

 public:
  std::vector<std::unique_ptr<Process>> members;
};

TEST_CASE("two members on one host and one on another: all deliver all, in one order") {
  if (no_two_hosts()) return;
  SharedHosts hosts({0, 0, 1}, 3);
  hosts.flow({0, 1, 2});
  check_traces(finish(hosts.some({0, 1, 2})), "total | stable");
}

TEST_CASE("only those on one host share memory, and go on over tcp when that is cut") {
  if (no_two_hosts()) return;
  SharedHosts hosts({0, 0, 1, 1}, 4);
  hosts.flow({0, 1, 2, 3});
  if (const std::string why = group_tests::why_no_cut(hosts.members[0]->pid()); !why.empty()) {
    std::printf("SKIPPED: connections that are cut from outside: %s\n", why.c_str());
    return;
  }
  CHECK(hosts.shares(0, 2) == 0);
  CHECK(hosts.shares(1, 3) == 0);
  CHECK(hosts.shares(0, 1) == 2);
  CHECK(hosts.shares(2, 3) == 2);
  // A view would be a word before the trace.
  check_traces(finish(hosts.some({0, 1, 2, 3})), "total | stable");
}

TEST_CASE("a member is killed, on either host: the others go on in the next view") {
  if (no_two_hosts()) return;
  for (const std::size_t victim : {1, 2}) {
    CAPTURE(victim);
    SharedHosts hosts({0, 0, 1, 1}, 4);
    hosts.flow({0, 1, 2, 3});
    const Moment killed = Moment::now();
    hosts.members[victim]->signal(SIGKILL);
    std::vector<Process*> left;
    for (const std::size_t seat : {0, 1, 2, 3})
      if (seat != victim) left.push_back(hosts.members[seat].get());
    for (Process* member : left)
      expect_view(*member, killed + 2s + time_to_notice,
                  {std::string(1, static_cast<char>('a' + victim))});
    group_tests::Ends ends;
    ends.dead = {static_cast<Rank>(victim)};
    check_traces(finish(left), "total | stable", ends);
  }
}

TEST_CASE("a group that one node created takes members from its own host and from another") {
  if (no_two_hosts()) return;
  SharedHosts hosts({0, 0, 1}, 1);
  hosts.flow({0});
  hosts.join(1, {0});
  hosts.join(2, {0, 1});
  if (group_tests::why_no_cut(hosts.members[0]->pid()).empty()) {
    CHECK(hosts.shares(0, 1) == 2);
    CHECK(hosts.shares(1, 2) == 0);
  }
  // Who came later has delivered less.
  checker::Checker all;
  for (checker::Event& event : group_tests::events_of(finish(hosts.some({0, 1, 2})), {}))
    all.add(std::move(event));
  checker::Guarantees promised{.total = true, .stable = true};
  promised.quiesced = promised.merged = true;
  const auto violations = all.check(promised);
  CHECK_MESSAGE(violations.empty(), checker::report(violations, all.events(), 40));
}

TEST_CASE("a host is cut off: its members stop, and those of the other go on") {
  if (no_two_hosts()) return;
  SharedHosts hosts({0, 0, 1}, 3);
  hosts.flow({0, 1, 2});
  const Moment cut = Moment::now();
  hosts.network.link_down(1);
  for (Process* member : hosts.some({0, 1})) expect_view(*member, cut + 2s + time_to_notice, {"c"});
  group_tests::expect_stopped(*hosts.members[2], cut + 6s + time_to_notice,
                              "no majority of the view is left");
  group_tests::Ends ends;
  auto traces = finish(hosts.some({0, 1}));
  ends.stopped = {traces.size()};
  traces.push_back(group_tests::last_trace(*hosts.members[2], cut + 2s + time_to_notice));
  check_traces(traces, "total | stable", ends);
}

}  // namespace
}  // namespace squall::netns_tests
