// What is particular to shm when a peer dies, and when a node sleeps and is woken.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <thread>

#include "providers/shm/shm_fabric.h"
#include "providers/shm/shm_test_nodes.h"

namespace squall::shm {
namespace {

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

TEST_CASE("a quiet message wakes nobody, and is there for who wakes") {
  Couple pair;
  pair.b.fabric->arm();
  pair.b.poll();
  REQUIRE_FALSE(readable(pair.b));
  REQUIRE(pair.a.fabric->send_quietly(pair.a_to_b, Lane::urgent, as_bytes("all is well")));
  pair.a.fabric->flush();
  CHECK_FALSE(readable(pair.b));
  CHECK(pair.b.fabric->message_waits());
  REQUIRE(pair.a.fabric->send(pair.a_to_b, Lane::urgent, as_bytes("look")));
  pair.a.fabric->flush();
  CHECK(readable(pair.b));
  pair.b.fabric->wait(never);
  pair.b.said.clear();
  pair.b.poll();
  REQUIRE(pair.b.said.size() == 2);
  CHECK(pair.b.said[0].message == "all is well");
  CHECK(pair.b.said[1].message == "look");
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
