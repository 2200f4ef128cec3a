// What is particular to shm: connections, strangers, regions and messages. Death and sleep are in
// shm_sleep_test.cc; what every provider promises is in test/conformance.

#include "providers/shm/shm_fabric.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <utility>

#include "providers/shm/shm_test_nodes.h"

namespace squall::shm {
namespace {

/// An impostor's end of a connection to `node`, which expects `ticket`.
struct Impostor {
  Fd socket;
  explicit Impostor(Node& node) {
    int error = EAGAIN;  // the listener's queue is full
    REQUIRE(turn_until({&node}, [&] {
      error = dial(node.fabric->address(), socket);
      return error != EAGAIN;
    }));
    REQUIRE(error == 0);
  }
  void say(Bytes bytes, std::span<const int> fds = {}) {
    REQUIRE(send_packet(socket, bytes, fds) == Sent::whole);
  }
};

/// An address that sorts before any real one, so that the node waits for it to dial.
const std::string early_address = std::string(address_prefix) + std::string(32, '0');

/// One that sorts behind, so that the node dials; of the moment, since others may run this test.
const std::string late_address = fmt::format("{}{:f>16}{:016x}", address_prefix, "",
                                             Monotonic::now().time_since_epoch().count());

// --- connections

TEST_CASE("both ends connect whoever calls first, and a later stranger is held for a while") {
  for (const bool a_first : {true, false}) {
    Node a, b;
    Node& first = a_first ? a : b;
    Node& second = a_first ? b : a;
    REQUIRE(first.fabric->connect(second.fabric->address(), ticket_of(1)));
    for (int i = 0; i < 1000; ++i) a.poll(), b.poll();
    CHECK(first.said.empty());
    REQUIRE(second.fabric->connect(first.fabric->address(), ticket_of(1)));
    CHECK(turn_until({&a, &b}, [&] { return a.find(Kind::connected) && b.find(Kind::connected); }));
  }
}

TEST_CASE("many connections between one pair are told apart by their tickets") {
  Node a, b;
  for (int i = 0; i < 5; ++i) REQUIRE(a.fabric->connect(b.fabric->address(), ticket_of(i)));
  for (int i = 4; i >= 0; --i) REQUIRE(b.fabric->connect(a.fabric->address(), ticket_of(i)));
  REQUIRE(turn_until({&a, &b}, [&] { return a.said.size() == 5 && b.said.size() == 5; }));
  for (int i = 0; i < 5; ++i) {
    const std::string text(1, static_cast<char>('0' + i));
    REQUIRE(a.fabric->send(static_cast<PeerId>(i), Lane::urgent, as_bytes(text)));
  }
  REQUIRE(turn_until({&a, &b}, [&] { return b.said.size() == 10; }));
  for (const Node::Said& said : b.said)
    if (said.event.kind == Kind::message)
      CHECK(said.message == std::to_string(4 - static_cast<int>(said.event.peer)));
}

TEST_CASE("a message that waits is seen without a poll") {
  Node a, b;
  REQUIRE(a.fabric->connect(b.fabric->address(), ticket_of(1)));
  REQUIRE(b.fabric->connect(a.fabric->address(), ticket_of(1)));
  REQUIRE(turn_until({&a, &b}, [&] { return a.find(Kind::connected) && b.find(Kind::connected); }));
  for (const Lane lane : {Lane::urgent, Lane::bulk}) {
    CHECK(!b.fabric->message_waits());
    REQUIRE(a.fabric->send(a.said[0].event.peer, lane, as_bytes("hello")));
    CHECK(b.fabric->message_waits());
    CHECK(!a.fabric->message_waits());
    b.poll();
    CHECK(b.said.back().message == "hello");
  }
  CHECK(!b.fabric->message_waits());
}

TEST_CASE("addresses that cannot be right are refused at once") {
  Node a;
  CHECK(a.fabric->connect("127.0.0.1:80", ticket_of(1)).error().code == Code::invalid);
  CHECK(a.fabric->connect("", ticket_of(1)).error().code == Code::invalid);
  CHECK(a.fabric->connect(a.fabric->address(), ticket_of(1)).error().code == Code::invalid);
}

TEST_CASE("a peer that is not there is lost, with the reason") {
  Node a;
  REQUIRE(a.fabric->connect(late_address, ticket_of(1)));
  REQUIRE(turn_until({&a}, [&] { return a.find(Kind::lost) != nullptr; }));
  CHECK(a.find(Kind::lost)->text.find("nobody listens") != std::string::npos);
}

// --- hostile strangers

TEST_CASE("a hello of another version is answered and loses the peer with both versions") {
  Node a;
  REQUIRE(a.fabric->connect(early_address, ticket_of(1)));
  Impostor impostor(a);
  impostor.say(encode(Hello{wire_version + 5, ticket_of(1)}));
  REQUIRE(turn_until({&a}, [&] { return a.find(Kind::lost) != nullptr; }));
  CHECK(a.find(Kind::lost)->text.find("upgrade this node") != std::string::npos);
  Packet answer;
  REQUIRE(receive_packet(impostor.socket, answer) == Received::packet);
  CHECK(parse_hello(answer.view())->version == wire_version);
}

TEST_CASE("a hello without honest descriptors loses the peer and harms nobody") {
  Node a;
  REQUIRE(a.fabric->connect(early_address, ticket_of(1)));
  Impostor impostor(a);
  const Fd bell = std::move(*make_doorbell());
  const Memory small = std::move(*Memory::create(4096));
  const Fd loose(memfd_create("test", MFD_CLOEXEC));
  REQUIRE(ftruncate(loose.get(), link_bytes) == 0);
  const auto hello = encode(Hello{wire_version, ticket_of(1)});
  SUBCASE("none") {
    impostor.say(hello);
  }
  SUBCASE("no eventfd") {
    impostor.say(hello, std::array{small.fd(), small.fd(), small.fd()});
  }
  SUBCASE("no memory") {
    impostor.say(hello, std::array{bell.get(), bell.get(), bell.get()});
  }
  SUBCASE("a control page of zeros, too short a link") {
    impostor.say(hello, std::array{bell.get(), small.fd(), small.fd()});
  }
  SUBCASE("memory that can shrink") {
    impostor.say(hello, std::array{bell.get(), loose.get(), loose.get()});
  }
  REQUIRE(turn_until({&a}, [&] { return a.find(Kind::lost) != nullptr; }));
  CHECK_FALSE(a.find(Kind::connected));
}

TEST_CASE("who answers a dial without the ticket, or not at all, is lost") {
  Node a;
  const auto listener = listen_at(late_address);
  REQUIRE(listener);
  REQUIRE(a.fabric->connect(late_address, ticket_of(1)));
  Fd socket;
  REQUIRE(accept_from(*listener, socket) == 0);
  SUBCASE("another ticket") {
    const Fd bell = std::move(*make_doorbell());
    const Waiter waiter = std::move(*Waiter::create());
    const Memory link = std::move(*Memory::create(link_bytes));
    REQUIRE(send_packet(socket, encode(Hello{wire_version, ticket_of(2)}),
                        std::array{bell.get(), waiter.control().fd(), link.fd()}) == Sent::whole);
  }
  SUBCASE("garbage") {
    REQUIRE(send_packet(socket, as_bytes("what?"), {}) == Sent::whole);
  }
  SUBCASE("nothing") {
    socket.reset();
  }
  REQUIRE(turn_until({&a}, [&] { return a.find(Kind::lost) != nullptr; }));
  CHECK_FALSE(a.find(Kind::connected));
}

TEST_CASE("a crowd of silent strangers and garbage does not keep an honest peer out") {
  Node a, b;
  std::vector<std::unique_ptr<Impostor>> crowd;
  for (int i = 0; i < 300; ++i) {
    crowd.push_back(std::make_unique<Impostor>(a));
    if (i % 3 == 0) crowd.back()->say(as_bytes("GET / HTTP/1.1"));
    if (i % 3 == 1) crowd.back()->say(encode(Hello{wire_version, ticket_of(i + 1000)}));
  }
  REQUIRE(a.fabric->connect(b.fabric->address(), ticket_of(1)));
  REQUIRE(b.fabric->connect(a.fabric->address(), ticket_of(1)));
  CHECK(turn_until({&a, &b}, [&] { return a.find(Kind::connected) && b.find(Kind::connected); }));
}

TEST_CASE("a connected peer that talks nonsense is lost") {
  Node a;
  REQUIRE(a.fabric->connect(early_address, ticket_of(1)));
  Impostor impostor(a);
  const Fd bell = std::move(*make_doorbell());
  const Waiter waiter = std::move(*Waiter::create());
  Memory link = std::move(*Memory::create(link_bytes));
  impostor.say(encode(Hello{wire_version, ticket_of(1)}),
               std::array{bell.get(), waiter.control().fd(), link.fd()});
  REQUIRE(turn_until({&a}, [&] { return a.find(Kind::connected) != nullptr; }));
  const RegionId mine{1};
  const Memory memory = std::move(*Memory::create(4096));
  REQUIRE(a.fabric->expose(mine, memory));
  SUBCASE("garbage") {
    impostor.say(as_bytes("garbage"));
  }
  SUBCASE("a packet that is too long") {
    impostor.say(std::vector<std::byte>(max_packet_bytes + 1));
  }
  SUBCASE("attached what it was not given") {
    impostor.say(encode(Control{.kind = PacketKind::attached, .region = mine}));
  }
  SUBCASE("a grant nobody asked for") {
    impostor.say(encode(Control{.kind = PacketKind::grant, .region = mine}),
                 std::array{memory.fd()});
  }
  SUBCASE("one region again and again") {
    for (int i = 0; i < 100; ++i)
      impostor.say(encode(Control{.kind = PacketKind::want, .region = mine, .bytes = 1}));
  }
  SUBCASE("endless wants") {
    for (std::uint64_t i = 0; i < 5000; ++i) {
      while (send_packet(impostor.socket,
                         encode(Control{.kind = PacketKind::want, .region = RegionId{i + 9}}),
                         {}) == Sent::nothing)
        a.poll();
    }
  }
  SUBCASE("a ring that cannot be") {
    const std::uint64_t claimed = max_message_bytes + 2;
    std::memcpy(link.data() + link_rings_offset + lane_ring_bytes, &claimed, sizeof claimed);
  }
  REQUIRE(turn_until({&a}, [&] { return a.find(Kind::lost) != nullptr; }));
  CHECK(a.find(Kind::lost)->text.find("broke the protocol") != std::string::npos);
}

// --- regions

TEST_CASE("an import before expose reads zeros, then the owner's memory takes its place") {
  Couple pair;
  const std::byte* replica = pair.b.fabric->import(pair.b_to_a, table, 100).value();
  for (int i = 0; i < 1000; ++i) pair.a.poll(), pair.b.poll();
  CHECK(replica[99] == std::byte{0});
  const Memory memory = std::move(*Memory::create(100));
  memory.data()[99] = std::byte{5};
  REQUIRE(pair.a.fabric->expose(table, memory));
  REQUIRE(turn_until({&pair.a, &pair.b}, [&] { return pair.a.find(Kind::attached) != nullptr; }));
  CHECK(replica[99] == std::byte{5});
  CHECK(pair.a.find(Kind::attached)->event.region == table);
}

TEST_CASE("a region shorter than asked loses both ends, which both learn why") {
  Couple pair;
  const Memory memory = std::move(*Memory::create(4096));
  REQUIRE(pair.a.fabric->expose(table, memory));
  REQUIRE(pair.b.fabric->import(pair.b_to_a, table, 4097));
  REQUIRE(turn_until({&pair.a, &pair.b},
                     [&] { return pair.a.find(Kind::lost) && pair.b.find(Kind::lost); }));
  CHECK(pair.b.find(Kind::lost)->text.find("has 4096 bytes, 4097 are needed") != std::string::npos);
  CHECK(pair.a.find(Kind::lost)->text.find("has 4096 bytes, 4097 are needed") != std::string::npos);
}

TEST_CASE("after disconnect the replica stays, and nothing of the peer counts") {
  Couple pair;
  const Memory memory = std::move(*Memory::create(1 << 20));
  const std::byte* replica = pair.share(memory, 1 << 20);
  memory.data()[500000] = std::byte{1};
  CHECK(replica[500000] == std::byte{1});
  REQUIRE(pair.a.fabric->send(pair.a_to_b, Lane::urgent, as_bytes("late")));
  pair.b.fabric->disconnect(pair.b_to_a);
  memory.data()[500000] = std::byte{2};
  CHECK(replica[500000] == std::byte{1});
  CHECK(replica[0] == std::byte{0});
  pair.b.poll();
  CHECK_FALSE(pair.b.find(Kind::message));
  CHECK(pair.b.fabric->send(pair.b_to_a, Lane::urgent, {}).error().code == Code::lost);
  REQUIRE(turn_until({&pair.a, &pair.b}, [&] { return pair.a.find(Kind::lost) != nullptr; }));
  CHECK(pair.a.find(Kind::lost)->text.find("it disconnected") != std::string::npos);
  CHECK_FALSE(pair.b.find(Kind::lost));
  pair.b.fabric->forget(pair.b_to_a);
  pair.b.fabric->disconnect(pair.b_to_a);
}

TEST_CASE("connections leave no descriptor and no mapping behind") {
  const auto open_fds = [] {
    int count = 0;
    for (int fd = 0; fd < 1024; ++fd) count += fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
    return count;
  };
  Node a, b;
  const int before = open_fds();
  for (int i = 0; i < 20; ++i) {
    a.said.clear(), b.said.clear();
    const PeerId to_b = a.fabric->connect(b.fabric->address(), ticket_of(i)).value();
    const PeerId to_a = b.fabric->connect(a.fabric->address(), ticket_of(i)).value();
    REQUIRE(
        turn_until({&a, &b}, [&] { return a.find(Kind::connected) && b.find(Kind::connected); }));
    REQUIRE(a.fabric->import(to_b, table, 4096));
    a.fabric->forget(to_b);
    REQUIRE(turn_until({&a, &b}, [&] { return b.find(Kind::lost) != nullptr; }));
    b.fabric->forget(to_a);
  }
  CHECK(open_fds() == before);
}

// --- messages

TEST_CASE("what a peer sent before it stopped arrives before its loss") {
  Couple pair;
  const std::string large(max_message_bytes, 'x');
  for (int i = 0; i < 3; ++i)
    REQUIRE(pair.a.fabric->send(pair.a_to_b, Lane::bulk, as_bytes(large)));
  pair.a.fabric.reset();
  REQUIRE(turn_until({&pair.b}, [&] { return pair.b.find(Kind::lost) != nullptr; }));
  CHECK(pair.b.said.size() == 1 + 3 + 1);
  CHECK(pair.b.said[3].message == large);
  CHECK(pair.b.said.back().event.kind == Kind::lost);
}

TEST_CASE("urgent overtakes a full bulk lane, and a blocked sender learns of room") {
  Couple pair;
  const std::string large(max_message_bytes, 'x');
  while (pair.a.fabric->send(pair.a_to_b, Lane::bulk, as_bytes(large))) continue;
  REQUIRE(pair.a.fabric->send(pair.a_to_b, Lane::urgent, as_bytes("now"), 5));
  pair.a.fabric->arm();
  CHECK_FALSE(readable(pair.a));
  pair.b.said.clear();
  pair.b.poll();
  CHECK(pair.b.said.front().message == "now");
  CHECK(readable(pair.a));
  pair.a.fabric->wait(Monotonic::now() + 5s);
  CHECK(pair.a.fabric->send(pair.a_to_b, Lane::bulk, as_bytes(large)));
  pair.a.poll();
  REQUIRE(pair.a.find(Kind::completed));
  CHECK(pair.a.find(Kind::completed)->event.ok);
  CHECK(pair.a.find(Kind::completed)->event.token == 5);
}

TEST_CASE("room for messages comes back with the poll that finds nothing more") {
  Couple pair;
  const std::string message(40 << 10, 'm');  // six of them fill a lane
  REQUIRE(pair.a.fabric->send(pair.a_to_b, Lane::bulk, as_bytes(message)));
  pair.b.said.clear();
  pair.b.poll();
  REQUIRE(pair.b.said.size() == 1);
  pair.b.poll();
  for (int sent = 0; sent < 6; ++sent)
    CHECK(pair.a.fabric->send(pair.a_to_b, Lane::bulk, as_bytes(message)));
  CHECK(pair.a.fabric->send(pair.a_to_b, Lane::bulk, as_bytes(message)).error().code ==
        Code::would_block);
}

TEST_CASE("who fills every poll does not keep another's message waiting") {
  Node a, b, c;
  const PeerId b_to_a = b.fabric->connect(a.fabric->address(), ticket_of(1)).value();
  REQUIRE(a.fabric->connect(b.fabric->address(), ticket_of(1)));
  const PeerId c_to_a = c.fabric->connect(a.fabric->address(), ticket_of(2)).value();
  REQUIRE(a.fabric->connect(c.fabric->address(), ticket_of(2)));
  const auto is_connected = [](const auto& said) { return said.event.kind == Kind::connected; };
  REQUIRE(turn_until({&a, &b, &c}, [&] {
    return std::ranges::count_if(a.said, is_connected) == 2 && b.find(Kind::connected) &&
           c.find(Kind::connected);
  }));
  for (auto [loud, quiet] : {std::pair{&b, &c}, std::pair{&c, &b}}) {
    a.poll();
    a.said.clear();
    for (int sent = 0; sent < 100; ++sent)
      REQUIRE(loud->fabric->send(loud == &b ? b_to_a : c_to_a, Lane::bulk, as_bytes("again")));
    REQUIRE(quiet->fabric->send(quiet == &b ? b_to_a : c_to_a, Lane::bulk, as_bytes("once")));
    const auto heard = [&] {
      return std::ranges::any_of(a.said, [](const auto& said) { return said.message == "once"; });
    };
    for (int polls = 0; polls < 3 && !heard(); ++polls) a.poll();
    CHECK(heard());
    while (a.said.size() < 101) a.poll();
  }
}

TEST_CASE("a token of a peer that was lost meanwhile comes back as not ok") {
  Couple pair;
  const Memory memory = std::move(*Memory::create(4096));
  pair.share(memory, 4096);
  REQUIRE(pair.a.fabric->push(table, 0, 8, Lane::urgent, 1));
  REQUIRE(pair.a.fabric->push_to(pair.a_to_b, table, 0, 8, Lane::urgent, 2));
  CHECK(pair.a.fabric->push(table, 4090, 8, Lane::urgent, 3).error().code == Code::invalid);
  CHECK(pair.a.fabric->push(table, 8, ~std::size_t{0}, Lane::urgent, 3).error().code ==
        Code::invalid);
  pair.a.fabric->disconnect(pair.a_to_b);
  pair.a.said.clear();
  pair.a.poll();
  REQUIRE(pair.a.said.size() == 2);
  for (const Node::Said& said : pair.a.said) CHECK_FALSE(said.event.ok);
}

}  // namespace
}  // namespace squall::shm
