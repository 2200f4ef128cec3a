// What strangers do to the listener of a group that runs.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/digest.h"
#include "core/base/random.h"
#include "core/base/time.h"
#include "core/fabric/rendezvous.h"
#include "core/fabric/rendezvous_wire.h"
#include "core/fabric/topology.h"
#include "core/membership/admission_wire.h"
#include "groups/client/wire.h"
#include "groups/node.h"
#include "providers/rendezvous/address.h"
#include "providers/rendezvous/socket.h"
#include "providers/rendezvous/tcp.h"
#include "test/groups/member.h"
#include "test/groups/process.h"

namespace squall::hostile_tests {
namespace {

using namespace group_tests;
using rendezvous::Descriptor;

/// Of this process, in bytes.
std::size_t resident() {
  std::size_t pages = 0, size = 0;
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  expect(file != nullptr && std::fscanf(file, "%zu %zu", &size, &pages) == 2, "the system tells");
  std::fclose(file);
  return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

/// Starts when it hears "go", says "in"; "view SIZE" for every view, "grew BYTES" when it hears
/// "size", and leaves with "enough".
void stand(Line& line, const Config& config) {
  expect(line.hear(longest_patience) == "go", "the test says when");
  const auto node = started(config);
  node->group("test")->on_deliver([](const Delivery&) {});
  node->on_view(
      [&](const ViewChange& change) { line.say(fmt::format("view {}", change.view->size())); });
  line.say("in");
  const std::size_t before = resident();
  for (;;) {
    const auto error = node->stopped();
    expect(!error, error ? config.name + " stopped: " + error->text() : "");
    const auto word = line.hear(Duration::zero());
    if (word == "size") line.say(fmt::format("grew {}", resident() - std::min(before, resident())));
    if (word == "enough") break;
    if (!node->poll()) node->idle(Monotonic::now() + std::chrono::milliseconds(1));
  }
  const auto ended = node->shutdown(Monotonic::now() + patience);
  expect(ended.has_value(), ended ? "" : ended.error().text());
}

/// a and b run; c has not started yet, and will join them.
struct Running {
  Running() : seats(3, "shm") {
    seats.each([](Config& config) { config.contacts.resize(2); });
    seats.configs[2].start = Start::join;
    members = start_members(seats, stand);
    for (const std::size_t at : {0, 1}) members[at]->say("go");
    for (const std::size_t at : {0, 1}) members[at]->expect_word("in");
  }
  void join() {
    members[2]->say("go");
    members[2]->expect_word("in");
  }
  void end() {
    for (auto& member : members) member->say("enough");
    for (auto& member : members)
      for (;;) {
        const auto word = member->hear_soon(patience);
        if (!word) break;
        CHECK_MESSAGE(word->starts_with("view"), *word);
      }
    for (auto& member : members) member->expect_end();
  }
  Descriptor connect() const {
    const auto resolved = rendezvous::resolve(*rendezvous::parse_address(seats.addresses[0]));
    REQUIRE(resolved);
    auto socket = rendezvous::start_connecting(resolved->addresses.front());
    REQUIRE(socket);
    return std::move(*socket);
  }

  Seats seats;
  std::vector<std::unique_ptr<Process>> members;
};

/// Of one who knows how the group is configured.
fabric::Introduction stranger(const std::string& name, const std::string& fabric_address) {
  fabric::Introduction who;
  who.name = name;
  who.id = fabric::node_id(name);
  who.incarnation = Incarnation{1};
  who.host = fabric::host_identity();
  who.fabrics = {{"shm", fabric_address}};
  return who;
}
fabric::Layout layout() {
  std::string text =
      "fabric shm\nfailure_timeout 2000 ms, losses are survived\n"
      "group.test: stack total | stable, senders all, ring_bytes 2097152\n"
      "group.test: large_memory 1073741824, block_bytes 1048576, schedule auto\n";
  return {digest(as_bytes(text)), text};
}

TEST_CASE("hostile_bytes: a joiner whose fabric address is nonsense costs the group only itself") {
  Running group;
  rendezvous::Options options;
  options.roster = {{"a", group.seats.addresses[0]}};
  options.self = stranger("z", "no address at all");
  options.manners = {false, layout()};
  auto visitor = rendezvous::open(std::move(options));
  REQUIRE(visitor);
  (*visitor)->visit(0);
  std::vector<fabric::Rendezvous::Event> events;
  const Time give_up = Monotonic::now() + patience;
  bool in = false;
  while (!in) {
    REQUIRE(Monotonic::now() < give_up);
    events.clear();
    (*visitor)->poll(Monotonic::now(), events);
    for (const auto& event : events) {
      using Kind = fabric::Rendezvous::Event::Kind;
      REQUIRE_MESSAGE(event.kind != Kind::ended, event.error.text());
      membership::Word request;
      request.kind = membership::Word::Kind::request;
      if (event.kind == Kind::welcomed) (*visitor)->say(event.line, membership::encode(request));
      if (event.kind != Kind::said) continue;
      const auto word = membership::decode_word(event.bytes);
      REQUIRE(word);
      in = word->kind == membership::Word::Kind::admitted;
    }
    pollfd ready{(*visitor)->fd(), POLLIN, 0};
    ::poll(&ready, 1, 1);
  }
  for (const std::size_t at : {0, 1}) {
    group.members[at]->expect_word("view 3");
    group.members[at]->expect_word("view 2");
  }
  group.join();
  group.end();
}

TEST_CASE("hostile_bytes: a thousand connections that say nothing keep no joiner out") {
  Running group;
  std::vector<Descriptor> silent;
  for (int count = 0; count < 1000; ++count) silent.push_back(group.connect());
  const Time since = Monotonic::now();
  group.join();
  // Its call waits behind theirs in the kernel's queue, and may have to be repeated (tcp(7)).
  CHECK(Monotonic::now() - since < std::chrono::seconds(10));
  // Each is sent away once it was silent for long enough, or others came.
  for (const Descriptor& socket : silent) {
    std::byte byte;
    const timeval limit{10, 0};
    setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    pollfd ready{socket.get(), POLLIN, 0};
    REQUIRE(::poll(&ready, 1, 10'000) == 1);
    CHECK(recv(socket.get(), &byte, 1, 0) <= 0);
  }
  group.members[0]->say("size");
  std::string word;
  while (!(word = group.members[0]->hear()).starts_with("grew ")) {
  }
  CHECK_MESSAGE(std::stoul(word.substr(5)) < (std::size_t{64} << 20), word);
  group.end();
}

TEST_CASE("hostile_bytes: clients that say anything behind their greeting harm nobody") {
  Running group;
  Random random(4);
  for (int count = 0; count < 100; ++count) {
    rendezvous::Options options;
    options.roster = {{"a", group.seats.addresses[0]}};
    options.self = stranger("z", "");
    options.manners = {false, layout()};
    auto visitor = rendezvous::open(std::move(options));
    REQUIRE(visitor);
    const auto line = (*visitor)->visit(0);
    std::vector<fabric::Rendezvous::Event> events;
    const Time give_up = Monotonic::now() + patience;
    // The last of it is no record, whatever the others were: it is sent away.
    for (bool over = false; !over;) {
      REQUIRE(Monotonic::now() < give_up);
      events.clear();
      (*visitor)->poll(Monotonic::now(), events);
      for (const auto& event : events) {
        using Kind = fabric::Rendezvous::Event::Kind;
        over = over || event.kind == Kind::ended;
        if (event.kind != Kind::welcomed) continue;
        clients::RecordHeader header;
        header.kind = clients::RecordHeader::Kind::hello;
        header.what = clients::magic;
        std::vector<std::byte> word;
        clients::append(word, header);
        for (int records = 0; records < 8; ++records) {
          header.kind = static_cast<clients::RecordHeader::Kind>(1 + random.below(9));
          header.target = static_cast<clients::TargetId>(random.below(3));
          header.number = random.next();
          std::vector<std::byte> body(random.below(200));
          for (std::byte& byte : body) byte = static_cast<std::byte>(random.next());
          clients::append(word, header, body);
        }
        (*visitor)->say(line, word);
        (*visitor)->say(line, as_bytes(std::string(100, 'x')));
      }
      pollfd ready{(*visitor)->fd(), POLLIN, 0};
      ::poll(&ready, 1, 1);
    }
  }
  group.join();
  group.end();
}

TEST_CASE("hostile_bytes: garbage at any point of a visit, and a replay, harm nobody") {
  Running group;
  Random random(3);
  fabric::Hello hello{stranger("z", "z"), fabric::guest_rank, fabric::guest_rank, "", {}};
  hello.who.group_digest = layout().digest;
  hello.who.group_text = layout().text;
  const auto whole = fabric::encode_hello(fabric::FrameKind::hello, hello);
  const auto proof = fabric::encode_proof(fabric::FrameKind::confirm, {});
  for (int count = 0; count < 200; ++count) {
    const Descriptor socket = group.connect();
    pollfd ready{socket.get(), POLLOUT, 0};
    REQUIRE(::poll(&ready, 1, 10'000) == 1);
    auto bytes = whole;  // itself a replay, with the proof of another run behind it
    bytes.insert(bytes.end(), proof.begin(), proof.end());
    for (auto flips = count % 4; flips > 0; --flips)
      bytes[random.below(bytes.size())] = static_cast<std::byte>(random.next());
    if (random.one_in(3)) bytes.resize(random.below(bytes.size()));
    static_cast<void>(send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL));
  }
  group.join();
  group.end();
}

}  // namespace
}  // namespace squall::hostile_tests
