// A group over verbs whose members sit at both ends of a link that loses packets. Runs in the guest
// with two devices (`two_devices`), whose names and addresses are those of `network`.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "groups/config.h"
#include "test/groups/member.h"
#include "test/groups/process.h"
#include "test/groups/stream.h"

namespace squall::softroce_tests {
namespace {

using group_tests::check_traces;
using group_tests::finish;
using group_tests::Process;
using group_tests::Seats;

constexpr std::array<const char*, 2> addresses{"10.9.1.1", "10.9.1.2"};
constexpr std::array<const char*, 2> links{"v0", "v1"};
/// rxe needs more than two seconds until it repeats what was the last on its way, each time.
constexpr Duration failure_timeout = 30s;

void must_run(const std::string& command) {
  REQUIRE_MESSAGE(std::system(command.c_str()) == 0, command);
}

/// Every packet that leaves by either end is lost with this likelihood.
void lose(const char* share) {
  for (const char* link : links)
    must_run(fmt::format("tc qdisc replace dev {} root netem limit 100000 loss {}", link, share));
}

/// Packets that were lost behind this end.
std::uint64_t lost(const char* link) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(
      popen(fmt::format("tc -s qdisc show dev {}", link).c_str(), "r"), pclose);
  REQUIRE(pipe != nullptr);
  std::string text;
  for (int next; (next = std::fgetc(pipe.get())) != EOF;) text += static_cast<char>(next);
  const std::size_t at = text.find("(dropped ");
  REQUIRE_MESSAGE(at != text.npos, text);
  return std::stoull(text.substr(at + 9));
}

std::uint64_t delivered(Process& member) {
  member.say("count");
  return std::stoull(member.hear());
}

TEST_CASE("packets are lost between two devices: all of it arrives, once, in order") {
  constexpr std::uint64_t messages = 1000, losses = 20;
  Seats seats(4, "verbs");
  std::size_t side = 0;
  seats.each([&](Config& config) {
    config.fabric_address = addresses[side++ % 2];
    config.failure_timeout = failure_timeout;
  });
  auto members = start_members(seats, group_tests::stream);
  for (auto& member : members) member->expect_word("flowing");
  lose("1%");
  const Time start = Monotonic::now();
  for (auto& member : members)
    for (const std::uint64_t before = delivered(*member); delivered(*member) < before + messages;)
      REQUIRE(Monotonic::now() < start + 60s);
  while (lost(links[0]) < losses || lost(links[1]) < losses)
    REQUIRE(Monotonic::now() < start + 60s);
  MESSAGE("lost ", lost(links[0]), " and ", lost(links[1]), " packets in ",
          (Monotonic::now() - start) / 1ms, " ms; the first member has delivered ",
          delivered(*members[0]));
  lose("0%");
  std::vector<Process*> all;
  for (auto& member : members) all.push_back(member.get());
  check_traces(finish(all), "total | stable");
}

}  // namespace
}  // namespace squall::softroce_tests
