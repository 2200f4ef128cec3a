// What cannot start says why, and keeps nobody waiting.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "groups/node.h"
#include "test/groups/member.h"
#include "test/groups/process.h"

namespace squall::group_tests {
namespace {

/// The error of a member alone, in a process of its own.
std::string why_not(Seats& seats, std::size_t seat = 0) {
  Process process([&](Line& line) {
    seats.take(seat);
    const auto node = Node::start(seats.configs[seat]);
    line.say(node ? "it started" : node.error().text());
  });
  return process.hear();
}

bool mentions(const std::string& text, std::string_view part) {
  return text.find(part) != text.npos;
}

TEST_CASE("a port in use is named") {
  Seats seats(2, "shm");
  const std::string taken = seats.configs[0].contacts[0].address;
  Seats other(1, "shm");
  other.configs[0].contacts[0].address = taken;
  close(other.configs[0].listen_fd);
  other.configs[0].listen_fd = -1;
  const std::string why = why_not(other);
  CHECK_MESSAGE(mentions(why, taken.substr(taken.find(':') + 1) + " on 127.0.0.1 is in use"), why);
}

TEST_CASE("an address that this host does not have is named, for the rendezvous and the fabric") {
  for (const char* fabric : {"tcp", "ofi:tcp;ofi_rxm"}) {
    CAPTURE(fabric);
    Seats seats(1, fabric);
    seats.configs[0].fabric_address = "192.0.2.1";
    const std::string why = why_not(seats);
    CHECK_MESSAGE(mentions(why, "192.0.2.1"), why);
  }
  Seats seats(1, "shm");
  close(seats.configs[0].listen_fd);
  seats.configs[0].listen_fd = -1;
  seats.configs[0].listen = "192.0.2.1:7070";
  const std::string why = why_not(seats);
  CHECK_MESSAGE(mentions(why, "192.0.2.1"), why);
}

TEST_CASE("an unknown fabric is named, with what there is") {
  for (const char* fabric : {"shn", "ofi:warp"}) {
    Seats seats(1, fabric);
    const std::string why = why_not(seats);
    CHECK_MESSAGE(mentions(why, fabric + (std::string_view(fabric) == "shn" ? 0 : 4)), why);
    CHECK_MESSAGE(mentions(why, "shm"), why);
  }
}

TEST_CASE("a second member of a name that is here already does not get in, and harms nobody") {
  const auto start_and_listen = [](Line& line, const Config& config) {
    const auto node = Node::start(config);
    if (!node) return line.say(node.error().text());
    line.say("up");
    line.hear(patience);
  };
  Seats seats(3, "shm");
  seats.each([](Config& config) { config.engine_thread = true; });
  auto members = start_members(seats, start_and_listen);
  for (auto& member : members) CHECK(member->hear() == "up");
  // The double listens elsewhere, so that nothing but its name is wrong. (Of two that start at the
  // same moment one may meet a and the other c: then neither gets in, each with the reason.)
  Seats spare(1, "shm");
  const int listen_fd = spare.configs[0].listen_fd;
  spare.configs[0] = seats.configs[1];
  spare.configs[0].listen_fd = listen_fd;
  spare.each([](Config& config) { config.start_timeout = std::chrono::seconds(3); });
  auto doubles = start_members(spare, start_and_listen);
  const std::string said = doubles[0]->hear();
  CHECK_MESSAGE(mentions(said, "a member named b is already here"), said);
}

/// What a joiner hears from a group that `a` has created, or that a and b have formed.
std::string why_not_let_in(Seats& seats, const std::function<void(Config&)>& change) {
  const std::size_t joiner = seats.configs.size() - 1;
  seats.each([&](Config& config) {
    config.contacts.resize(joiner);
    config.engine_thread = true;
    config.start = joiner == 1 ? Start::create : Start::together;
  });
  seats.configs[joiner].start = Start::join;
  change(seats.configs[joiner]);
  auto members = start_members(seats, [joiner](Line& line, const Config& config) {
    const bool joins = config.name == std::string(1, static_cast<char>('a' + joiner));
    if (joins) expect(line.hear(longest_patience) == "go", "the group comes first");
    const auto node = Node::start(config);
    line.say(node ? "up" : node.error().text());
    line.hear(longest_patience);
  });
  for (std::size_t at = 0; at < joiner; ++at) members[at]->expect_word("up");
  members[joiner]->say("go");
  return members[joiner]->hear();
}

TEST_CASE("a joiner that is configured otherwise than the group is told the line that differs") {
  struct Case {
    std::function<void(Config&)> change;
    std::string_view told;
  };
  const Case cases[] = {
      {[](Config& config) { config.groups[0].stack = "fifo"; },
       "a has \"group.test: stack total | stable, senders all, ring_bytes 2097152\", b has "
       "\"group.test: stack fifo, senders all, ring_bytes 2097152\""},
      {[](Config& config) { config.groups[0].ring_bytes = 8192; }, "ring_bytes 8192\""},
      {[](Config& config) { config.groups[0].schedule = Schedule::chain; }, "schedule chain\""},
      {[](Config& config) { config.failure_timeout = std::chrono::seconds(1); },
       "a has \"failure_timeout 2000 ms, losses are survived\", b has \"failure_timeout 1000 ms"},
      {[](Config& config) { config.provider = "tcp"; },
       "a has \"fabric shm\", b has \"fabric tcp\""},
  };
  for (const Case& each : cases) {
    Seats seats(2, "shm");
    const std::string why = why_not_let_in(seats, each.change);
    CHECK_MESSAGE(mentions(why, each.told), why);
    CHECK_MESSAGE(mentions(why, "a refused: "), why);
  }
}

TEST_CASE("a group that stays as it was formed lets nobody in, and says so") {
  Seats seats(3, "shm");
  seats.each([](Config& config) { config.survive_losses = false; });
  const std::string why = why_not_let_in(seats, [](Config&) {});
  CHECK_MESSAGE(mentions(why, "this group stays as it was formed"), why);
}

TEST_CASE("with `auto` the creator's fabric is the group's, whatever else a joiner offers") {
  Seats seats(2, "auto");
  CHECK(why_not_let_in(seats, [](Config&) {}) == "up");
}

TEST_CASE("a joiner whose only contact is dead says so at its deadline, with the name") {
  Seats seats(2, "shm");
  seats.configs[1].contacts.resize(1);
  seats.configs[1].start = Start::join;
  seats.configs[1].start_timeout = std::chrono::milliseconds(200);
  close(std::exchange(seats.configs[0].listen_fd, -1));
  const std::string why = why_not(seats, 1);
  CHECK_MESSAGE(mentions(why, "nobody has let b in: a: Connection refused"), why);
  CHECK_MESSAGE(mentions(why, "node.start = \"create\""), why);
}

TEST_CASE(
    "members with different stacks do not start together, unless it is each one's own business") {
  const auto start = [](const std::string& first, const std::string& second) {
    Seats seats(2, "shm");
    seats.each([](Config& config) {
      config.engine_thread = true;
      config.start_timeout = std::chrono::seconds(3);
    });
    seats.configs[0].groups[0].stack = first;
    seats.configs[1].groups[0].stack = second;
    auto members = start_members(seats, [](Line& line, const Config& config) {
      const auto node = Node::start(config);
      line.say(node ? "up" : node.error().text());
      line.hear(patience);
    });
    const std::string said = members[0]->hear();
    for (auto& member : members) member->say("go");
    return said;
  };
  CHECK(start("total | stable", "total | checked | stable | batch(1 KiB, 10 us)") == "up");
  const std::string why = start("total | stable", "total | stable | compress(lz4)");
  CHECK_MESSAGE(mentions(why, "total | stable"), why);
}

}  // namespace
}  // namespace squall::group_tests
