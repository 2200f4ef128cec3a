// What is particular to shm; what every provider promises is in test/conformance.

#include "providers/shm/shm_fabric.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <functional>
#include <thread>

#include "providers/shm/shm.h"

namespace squall::shm {
namespace {

using fabric::Event;
using fabric::Lane;
using fabric::Memory;
using fabric::PeerId;
using fabric::RegionId;
using Kind = Event::Kind;

constexpr RegionId table{7};

fabric::Ticket ticket_of(int number) {
  fabric::Ticket ticket{};
  std::memcpy(ticket.data(), &number, sizeof(number));
  return ticket;
}

/// A fabric and everything that its polls said, kept beyond the polls.
struct Node {
  struct Said {
    Event event;
    std::string message;
    std::string text;
  };
  std::unique_ptr<fabric::Fabric> fabric = open();
  std::vector<Said> said;

  static std::unique_ptr<fabric::Fabric> open() {
    auto opened = make_provider()->open({});
    REQUIRE(opened);
    return std::move(*opened);
  }
  void poll() {
    std::array<Event, 8> events;
    const std::size_t count = fabric->poll(events);
    for (const Event& event : std::span(events).first(count))
      said.push_back({event, std::string(as_text(event.bytes)), std::string(event.text)});
  }
  const Said* find(Kind kind) const {
    for (const Said& each : said)
      if (each.event.kind == kind) return &each;
    return nullptr;
  }
};

bool turn_until(std::initializer_list<Node*> nodes, const std::function<bool()>& done,
                Duration limit = 5s) {
  const Time end = Monotonic::now() + limit;
  while (!done()) {
    if (Monotonic::now() > end) return false;
    for (Node* node : nodes) node->poll();
  }
  return true;
}

bool readable(const Node& node) {
  pollfd watched{node.fabric->fd(), POLLIN, 0};
  return poll(&watched, 1, 0) == 1;
}

struct Couple {
  Node a, b;
  PeerId a_to_b{}, b_to_a{};

  Couple() {
    a_to_b = a.fabric->connect(b.fabric->address(), ticket_of(1)).value();
    b_to_a = b.fabric->connect(a.fabric->address(), ticket_of(1)).value();
    REQUIRE(
        turn_until({&a, &b}, [&] { return a.find(Kind::connected) && b.find(Kind::connected); }));
  }
  const std::byte* share(const Memory& memory, std::size_t bytes) {
    REQUIRE(a.fabric->expose(table, memory));
    const std::byte* replica = b.fabric->import(b_to_a, table, bytes).value();
    REQUIRE(turn_until({&a, &b}, [&] { return a.find(Kind::attached) != nullptr; }));
    return replica;
  }
};

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

TEST_CASE("addresses that cannot be right are refused at once") {
  Node a;
  CHECK(a.fabric->connect("127.0.0.1:80", ticket_of(1)).error().code == Code::invalid);
  CHECK(a.fabric->connect("", ticket_of(1)).error().code == Code::invalid);
  CHECK(a.fabric->connect(a.fabric->address(), ticket_of(1)).error().code == Code::invalid);
}

TEST_CASE("a peer that is not there is lost, with the reason") {
  Node a;
  const std::string late = std::string(address_prefix) + std::string(32, 'f');
  REQUIRE(a.fabric->connect(late, ticket_of(1)));
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
  const std::string late = std::string(address_prefix) + std::string(32, 'f');
  const Fd listener = std::move(*listen_at(late));
  REQUIRE(a.fabric->connect(late, ticket_of(1)));
  Fd socket;
  REQUIRE(accept_from(listener, socket) == 0);
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
  SUBCASE("one region twice") {
    for (int i = 0; i < 2; ++i)
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
    reinterpret_cast<LinkHeader*>(link.data())->appended[1] = 12345;
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

// --- processes

/// A child that runs `body` with one end of a pipe pair, killed at the latest with this object.
class Child {
 public:
  explicit Child(const std::function<void(int in, int out)>& body) {
    int down[2], up[2];
    REQUIRE(pipe2(down, O_CLOEXEC) == 0);
    REQUIRE(pipe2(up, O_CLOEXEC) == 0);
    pid_ = fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      try {
        body(down[0], up[1]);
      } catch (...) {  // a failed REQUIRE
        _exit(1);
      }
      _exit(0);
    }
    in_ = Fd(up[0]);
    out_ = Fd(down[1]);
    close(down[0]);
    close(up[1]);
  }
  ~Child() { kill(); }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  int in() const { return in_.get(); }
  int out() const { return out_.get(); }

 private:
  pid_t pid_ = -1;
  Fd in_, out_;
};

std::string read_address(int fd) {
  std::array<char, address_prefix.size() + 32> text;
  REQUIRE(read(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  return {text.data(), text.size()};
}
void write_address(int fd, const std::string& text) {
  REQUIRE(write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

TEST_CASE("a killed peer is lost at once, asleep or polling, and its memory stays readable") {
  for (const bool asleep : {true, false}) {
    Child child([](int in, int out) {  // forked before any fabric: only it holds its descriptors
      Node node;
      write_address(out, node.fabric->address());
      REQUIRE(node.fabric->connect(read_address(in), ticket_of(1)));
      const Memory memory = std::move(*Memory::create(4096));
      memory.data()[17] = std::byte{17};
      REQUIRE(node.fabric->expose(table, memory));
      for (;;) {
        node.fabric->arm();
        node.poll();
        node.fabric->wait(never);
      }
    });
    Node node;
    const PeerId peer = node.fabric->connect(read_address(child.in()), ticket_of(1)).value();
    write_address(child.out(), node.fabric->address());
    const std::byte* replica = node.fabric->import(peer, table, 4096).value();
    REQUIRE(turn_until({&node}, [&] { return replica[17] == std::byte{17}; }));
    if (asleep) {
      node.fabric->arm();
      node.poll();
    }
    const Time killed = Monotonic::now();
    child.kill();
    while (!node.find(Kind::lost) && Monotonic::now() < killed + 5s) {
      if (asleep) {
        node.fabric->arm();
        node.poll();
        if (!node.find(Kind::lost)) node.fabric->wait(killed + 5s);
      }
      node.poll();
    }
    REQUIRE(node.find(Kind::lost));
    CHECK(Monotonic::now() - killed < 1s);
    node.fabric->disconnect(peer);
    CHECK(replica[17] == std::byte{17});
  }
}

/// Answers each new value of the peer's word with the same value in its own, asleep in between.
void echo(Node& node, PeerId peer, std::uint64_t rounds, bool first, Memory& mine) {
  auto& word = *reinterpret_cast<std::atomic<std::uint64_t>*>(mine.data());
  const auto& heard = *reinterpret_cast<const std::atomic<std::uint64_t>*>(
      node.fabric->import(peer, table, 4096).value());
  REQUIRE(node.fabric->expose(table, mine));
  const Time end = Monotonic::now() + 60s;
  for (std::uint64_t round = 1; round <= rounds; ++round) {
    const auto say = [&] {
      word.store(round, std::memory_order_release);
      REQUIRE(node.fabric->push(table, 0, 8, Lane::urgent));
      node.fabric->flush();
    };
    if (first) say();
    for (;;) {
      node.poll();
      if (heard.load(std::memory_order_acquire) >= round) break;
      node.fabric->arm();
      node.poll();
      if (heard.load(std::memory_order_acquire) >= round) break;
      // Far beyond the whole test: a wake-up that is lost is not saved by a deadline.
      node.fabric->wait(end);
      REQUIRE(Monotonic::now() < end);
    }
    node.fabric->disarm();
    if (!first) say();
  }
}

TEST_CASE("a sleeping reader is woken 10,000 times in a row") {
  constexpr std::uint64_t rounds = 10000;
  Node a, b;
  const PeerId to_b = a.fabric->connect(b.fabric->address(), ticket_of(1)).value();
  const PeerId to_a = b.fabric->connect(a.fabric->address(), ticket_of(1)).value();
  Memory a_memory = std::move(*Memory::create(4096)), b_memory = std::move(*Memory::create(4096));
  std::thread other([&] { echo(b, to_a, rounds, false, b_memory); });
  echo(a, to_b, rounds, true, a_memory);
  other.join();
  CHECK(reinterpret_cast<std::atomic<std::uint64_t>*>(b_memory.data())->load() == rounds);
}

TEST_CASE("a ring that the last look before sleep swallowed still wakes") {
  Couple pair;
  const Memory memory = std::move(*Memory::create(4096));
  pair.share(memory, 4096);
  fabric::Fabric& reader = *pair.b.fabric;
  const auto push = [&] {
    REQUIRE(pair.a.fabric->push(table, 0, 8, Lane::urgent));
    pair.a.fabric->flush();
  };
  // A reader that sleeps long between its polls looks at its sockets with every one of them.
  for (int i = 0; i < 4; ++i) {
    reader.arm();
    pair.b.poll();
    reader.wait(Monotonic::now() + 2ms);
    pair.b.poll();
  }
  const Time later = Monotonic::now() + 2ms;
  while (Monotonic::now() < later) pair.a.poll();
  CHECK_FALSE(readable(pair.b));
  reader.arm();
  push();
  pair.b.poll();
  push();  // the same sleep: it does not ring again
  CHECK(readable(pair.b));
  reader.wait(never);
}

TEST_CASE("one sleep is rung once by each peer, and the next one again") {
  Couple pair;
  const Memory memory = std::move(*Memory::create(4096));
  pair.share(memory, 4096);
  for (int sleep = 0; sleep < 100; ++sleep) {
    pair.b.fabric->arm();
    for (int i = 0; i < 3; ++i) {
      REQUIRE(pair.a.fabric->push(table, 0, 8, Lane::urgent));
      pair.a.fabric->flush();
    }
    pair.b.poll();
    pair.b.fabric->wait(never);  // returns, or the test hangs
    pair.b.poll();
  }
}

TEST_CASE("a sender that gives up on a full lane can sleep") {
  Couple pair;
  const std::string large(max_message_bytes, 'x');
  while (pair.a.fabric->send(pair.a_to_b, Lane::bulk, as_bytes(large))) continue;
  pair.b.poll();
  int waits = 0;
  const Time end = Monotonic::now() + 100ms;
  for (; Monotonic::now() < end; ++waits) {
    pair.a.fabric->arm();
    pair.a.poll();
    pair.a.fabric->wait(end);
  }
  CHECK(waits < 20);
}

TEST_CASE("wake from another thread ends the current or the next wait, also on the descriptor") {
  Node a;
  a.fabric->wake();
  a.fabric->wait(Monotonic::now() + 60s);
  a.poll();
  std::thread waker([&] { a.fabric->wake(); });
  a.fabric->arm();
  a.poll();
  a.fabric->wait(never);
  waker.join();
  a.poll();
  a.fabric->wake();
  for (int i = 0; i < 100000; ++i) a.poll();
  a.fabric->arm();
  a.poll();
  CHECK(readable(a));
}

TEST_CASE("an armed node with a peer sleeps without using the processor") {
  Couple pair;
  const auto cpu = [] {
    timespec used{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
  };
  const auto before = cpu();
  const Time end = Monotonic::now() + 500ms;
  int turns = 0;
  for (; Monotonic::now() < end; ++turns) {
    pair.a.fabric->arm();
    pair.a.poll();
    pair.a.fabric->wait(end);
  }
  CHECK(turns < 20);
  CHECK(cpu() - before < 5ms);
}

}  // namespace
}  // namespace squall::shm
