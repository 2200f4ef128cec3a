// Promise 5, with real processes: who waits is woken, and who has nothing to do uses no CPU.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <sstream>
#include <thread>

#include "core/base/random.h"
#include "core/base/sanitized.h"
#include "core/fabric/memory.h"
#include "test/conformance/child.h"
#include "test/conformance/world.h"

namespace squall::conformance {
namespace {

using fabric::Memory;

constexpr RegionId mine{1};
/// A wake-up that takes this long is a lost one.
constexpr Duration wake_bound = std::chrono::seconds(2);

// Two processes that hand a number back and forth, each asleep until the other's comes.
class Ping {
 public:
  Ping(World& world, Node& node, PeerId peer, const Memory& memory, const std::string& mode)
      : node_(node), peer_(peer), memory_(memory), by_message_(mode == "message") {
    must(node->expose(mine, memory), "expose");
    replica_ = must(node->import(peer, mine, 4096), "import");
    node.on_event = [this](const Event& event) {
      if (event.kind == Kind::message) ++(as_text(event.bytes) == "there" ? greetings_ : messages_);
      attached_ = attached_ || event.kind == Kind::attached;
    };
    const bool attached = world.until([&] { return attached_; });
    expect(attached, "attached");
    // Nobody begins before both are there.
    must(node->send(peer, Lane::urgent, as_bytes("there")), "send");
    expect(world.until([&] { return greetings_ == 1; }), "the other is there");
  }

  void give(std::uint64_t value) {
    if (by_message_) {
      must(node_->send(peer_, Lane::urgent, as_bytes("ping")), "send");
    } else {
      store_counter(memory_.data(), value);
      must(node_->push(mine, 0, 8, Lane::urgent), "push");
    }
    node_->flush();
  }
  bool has(std::uint64_t value) const {
    return (by_message_ ? messages_ : load_counter(replica_)) >= value;
  }
  // As the interface asks: announce, look again, only then sleep. False: slept through it.
  bool take(std::uint64_t value) {
    const Time deadline = Monotonic::now() + wake_bound;
    for (;;) {
      node_->arm();
      node_.turn();
      if (has(value)) {
        node_->disarm();
        return true;
      }
      node_->wait(deadline);
      ++waits;
      node_.turn();
      const Time now = Monotonic::now();
      if (has(value)) return now < deadline;
      if (now >= deadline) return false;
    }
  }

  std::uint64_t waits = 0;

 private:
  Node& node_;
  PeerId peer_;
  const Memory& memory_;
  bool by_message_;
  const std::byte* replica_ = nullptr;
  std::uint64_t greetings_ = 0, messages_ = 0;
  bool attached_ = false;
};

// Where the other end naps instead of being woken, each round takes milliseconds.
std::uint64_t rounds(const fabric::Capabilities& capabilities, const std::string& mode) {
  if (!capabilities.can_wait) return repeats(2'000);
  return repeats(mode == "message" ? 3'000 : 10'000);
}

void play_ponger(Link& link, const std::string& mode) {
  Memory memory = must(Memory::create(4096), "memory");
  Joined joined = join(link);
  Ping ping(*joined.world, *joined.node, joined.parent, memory, mode);
  Random random(1);
  const std::uint64_t count = rounds((*joined.node)->capabilities(), mode);
  for (std::uint64_t value = 1; value <= count; ++value) {
    if (!ping.take(value)) broken(fmt::format("the child slept through wake-up {}", value));
    // Now and then late, so that the other is in every stage of falling asleep.
    const Time until =
        Monotonic::now() + std::chrono::nanoseconds(random.one_in(2) ? random.below(60'000) : 0);
    while (Monotonic::now() < until) {
    }
    ping.give(value);
  }
  link.say(fmt::format("{}", ping.waits));
  link.hear(*joined.world);
}
const Role ponger{"ponger", play_ponger};

void woken_every_time(const std::string& mode) {
  Memory memory = must(Memory::create(4096), "memory");
  const auto world = subject().make_world();
  Node& node = world->add("reader");
  Child child("ponger", mode);
  const PeerId peer = admit(*world, node, child);
  Ping ping(*world, node, peer, memory, mode);
  const std::uint64_t count = rounds(node->capabilities(), mode);
  for (std::uint64_t value = 1; value <= count; ++value) {
    ping.give(value);
    const bool woken = ping.take(value);
    if (!woken) (void)child.link().try_hear();  // it may know better
    CAPTURE(value);
    REQUIRE(woken);
  }
  CHECK(std::stoull(child.link().hear(*world)) > 0);
  CHECK(ping.waits > 0);  // or nobody ever slept
  node.close();
}

TEST_CASE("promise 5: a sleeping reader is woken by each push" *
          doctest::skip(!subject().processes)) {
  woken_every_time("push");
}

TEST_CASE("promise 5: a sleeping reader is woken by each message" *
          doctest::skip(!subject().processes)) {
  woken_every_time("message");
}

TEST_CASE("promise 5: wake() from another thread ends the current wait or the next" *
          doctest::skip(!subject().processes)) {
  const auto world = subject().make_world();
  Node& node = world->add("sleeper");
  constexpr std::uint64_t count = 2'000;
  std::atomic<std::uint64_t> asked{0}, woken{0};
  std::thread waker([&] {
    for (std::uint64_t value = 1; value <= count; ++value) {
      while (asked.load(std::memory_order_acquire) < value) std::this_thread::yield();
      woken.store(value, std::memory_order_release);
      node->wake();
    }
  });
  std::uint64_t slept_through = 0;
  for (std::uint64_t value = 1; value <= count; ++value) {
    asked.store(value, std::memory_order_release);
    const Time deadline = Monotonic::now() + wake_bound;
    while (woken.load(std::memory_order_acquire) < value && Monotonic::now() < deadline) {
      node->arm();
      node.turn();
      node->wait(deadline);
      node.turn();
    }
    if (Monotonic::now() >= deadline) ++slept_through;
    if (slept_through > 2) break;
  }
  asked.store(count, std::memory_order_release);
  waker.join();
  CHECK(slept_through == 0);
}

TEST_CASE("a wait ends at its deadline, not long after and not long before" *
          doctest::skip(!subject().processes)) {
  const auto world = subject().make_world();
  Node& node = world->add("sleeper");
  const Time start = Monotonic::now();
  int waits = 0;
  while (Monotonic::now() < start + 300ms) {
    node->arm();
    node.turn();
    node->wait(start + 300ms);
    node.turn();
    ++waits;
  }
  CHECK(Monotonic::now() - start < 1300ms);
  // Without `can_wait` it naps for one to five milliseconds; with it, it may be early a few times.
  CHECK(waits < (node->capabilities().can_wait ? 10 : 600));
  // A deadline that has passed is no wait.
  timed([&] {
    node->arm();
    node.turn();
    node->wait(Monotonic::now() - 1s);
    return 0;
  });
}

TEST_CASE("promise 5: a descriptor of the caller's ends a wait, and what comes does all the same" *
          doctest::skip(!subject().processes)) {
  const auto world = subject().make_world();
  Node& a = world->add("a");
  if (!a->capabilities().can_wait) return;
  Node& b = world->add("b");
  const Pair pair = connect(*world, a, b);
  world->pass_time(50ms);
  const int bell = eventfd(0, EFD_CLOEXEC);
  REQUIRE(bell >= 0);
  for (std::size_t round = 1; round <= 20; ++round) {
    CAPTURE(round);
    const Time deadline = Monotonic::now() + wake_bound;
    // Until it rings or there are so many messages; true if it rang.
    const auto sleep = [&](std::size_t messages) {
      a->arm();
      a.turn();
      const bool sleeps = a.count(Kind::message) < messages;
      const bool rang = sleeps && a->wait_beside(bell, deadline);
      a.turn();
      a->disarm();
      return rang;
    };
    std::thread ringer([&] {
      usleep(2000);  // sleep-ok: so that it finds the other asleep, as a rule
      eventfd_write(bell, 1);
    });
    bool rang = false;
    while (!rang && Monotonic::now() < deadline) rang = sleep(round);
    ringer.join();
    CHECK(rang);
    CHECK(Monotonic::now() < deadline);
    eventfd_t count = 0;
    CHECK(eventfd_read(bell, &count) == 0);

    rang = false;
    must(b->send(pair.second_to_first, Lane::urgent, as_bytes("x")), "send");
    b.turn();
    while (a.count(Kind::message) < round && Monotonic::now() < deadline) {
      b.turn();
      rang |= sleep(round);
    }
    CHECK(a.count(Kind::message) == round);
    CHECK(Monotonic::now() < deadline);
    CHECK(!rang);
  }
  close(bell);
}

TEST_CASE("promise 5: the descriptor is readable when there is something, and only then" *
          doctest::skip(!subject().processes)) {
  Memory memory = must(Memory::create(4096), "memory");
  const auto world = subject().make_world();
  Node& a = world->add("a");
  if (!a->capabilities().can_wait) return;
  Node& b = world->add("b");
  const Pair pair = connect(*world, a, b);
  must(b->expose(mine, memory), "expose");
  const std::byte* replica = must(a->import(pair.first_to_second, mine, 4096), "import");
  REQUIRE(world->until([&] { return b.count(Kind::attached) == 1; }));
  world->pass_time(50ms);
  int readable_for_nothing = 0;
  for (std::uint64_t value = 1; value <= 200; ++value) {
    CAPTURE(value);
    a->arm();
    a.turn();
    pollfd ready{a->fd(), POLLIN, 0};
    if (value <= 10) readable_for_nothing += poll(&ready, 1, 20);
    if (value % 2 == 0) {
      must(b->send(pair.second_to_first, Lane::urgent, as_bytes("x")), "send");
    } else {
      store_counter(memory.data(), value);
      must(b->push(mine, 0, 8, Lane::urgent), "push");
    }
    b.turn();
    const Time deadline = Monotonic::now() + wake_bound;
    for (;;) {  // a transport's own traffic may wake it first
      REQUIRE(poll(&ready, 1, 2'000) == 1);
      a.turn();
      if (value % 2 == 0 ? a.count(Kind::message) == value / 2 : load_counter(replica) == value)
        break;
      REQUIRE(Monotonic::now() < deadline);
      a->arm();
      a.turn();
      if (value % 2 == 0 ? a.count(Kind::message) == value / 2 : load_counter(replica) == value)
        break;
      b.turn();
    }
    a->disarm();
  }
  CHECK(readable_for_nothing <= 2);
  for (Node* node : {&a, &b}) node->close();
}

TEST_CASE("a quiet message wakes nobody who reads its sender's memory in place" *
          doctest::skip(!subject().processes)) {
  const auto world = subject().make_world();
  Node& a = world->add("a");
  if (!a->capabilities().can_wait || !(a->capabilities().maps || subject().maps_regions)) return;
  Node& b = world->add("b");
  const Pair pair = connect(*world, a, b);
  world->pass_time(50ms);
  int woken = 0;
  for (std::size_t round = 1; round <= 10; ++round) {
    a->arm();
    a.turn();
    must(b->send_quietly(pair.second_to_first, Lane::urgent, as_bytes("all is well")),
         "send_quietly");
    b.turn();
    pollfd ready{a->fd(), POLLIN, 0};
    woken += poll(&ready, 1, 20);
    a.turn();
    CHECK(a.count(Kind::message) == round);
    a->disarm();
  }
  CHECK(woken <= 2);  // a transport's own traffic may
  for (Node* node : {&a, &b}) node->close();
}

/// What a process took of the machine while it had nothing to do.
struct Idleness {
  double share = 0;  ///< of a core
  double naps = 0;   ///< per second: how often it woke up to sleep again
};

rusage usage() {
  rusage so_far{};
  getrusage(RUSAGE_SELF, &so_far);
  return so_far;
}

Duration cpu_used(const rusage& usage) {
  const auto of = [](const timeval& time) {
    return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

constexpr Duration idle_span = std::chrono::milliseconds(2500);

Idleness watch_idle(Node& node) {
  const rusage before = usage();
  const Time end = Monotonic::now() + idle_span;
  while (Monotonic::now() < end) {
    node->arm();
    node.turn();
    node->wait(std::min(end, Monotonic::now() + 100ms));
    node.turn();
  }
  const rusage after = usage();
  const auto used = static_cast<double>((cpu_used(after) - cpu_used(before)).count());
  const auto naps = static_cast<double>(after.ru_nvcsw - before.ru_nvcsw);
  return {used / static_cast<double>(idle_span.count()),
          naps / std::chrono::duration<double>(idle_span).count()};
}

/// What a sanitizer, or the emulation of each instruction, adds to every wake-up is not the
/// library's: 50 naps a second cost up to four percent there. How many there are is the same
/// everywhere.
double idle_bound() {
  return sanitized || emulated() ? 0.1 : 0.01;
}
constexpr double most_naps = 150;

/// The best of two spans, or of some more while none is quiet: what the machine does beside us only
/// ever adds.
Idleness quiet_span(Node& node) {
  Idleness best = watch_idle(node);
  for (int again = 0; again < 5 && (again == 0 || best.share >= idle_bound()); ++again) {
    const Idleness next = watch_idle(node);
    best = {std::min(best.share, next.share), std::min(best.naps, next.naps)};
  }
  return best;
}

void play_idler(Link& link, const std::string&) {
  Memory memory = must(Memory::create(4096), "memory");
  Joined joined = join(link);
  Ping ping(*joined.world, *joined.node, joined.parent, memory, "push");
  const Idleness idle = quiet_span(*joined.node);
  link.say(fmt::format("{} {}", idle.share, idle.naps));
  link.hear(*joined.world);
}
const Role idler{"idler", play_idler};

TEST_CASE("promise 5: an idle process uses under 1 % of a core" *
          doctest::skip(!subject().processes)) {
  Memory memory = must(Memory::create(4096), "memory");
  const auto world = subject().make_world();
  Node& node = world->add("idle");
  Child child("idler");
  const PeerId peer = admit(*world, node, child);
  Ping ping(*world, node, peer, memory, "push");
  const Idleness own = quiet_span(node);
  Idleness childs;
  std::istringstream(child.link().hear(*world)) >> childs.share >> childs.naps;
  for (const Idleness& idle : {own, childs}) {
    MESSAGE("idle: ", idle.share * 100, " % of a core, ", idle.naps, " naps per second");
    CHECK(idle.share < idle_bound());
    CHECK(idle.naps > 0);
    CHECK(idle.naps < most_naps);
  }
  node.close();
}

}  // namespace
}  // namespace squall::conformance
