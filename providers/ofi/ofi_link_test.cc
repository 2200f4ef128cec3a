// How nodes meet and how they wait: sleeping and waking, idling, strangers, tickets, and what is
// said when a fabric cannot be opened.
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <string_view>
#include <thread>
#include <vector>

#include "core/base/sanitized.h"
#include "providers/ofi/ofi.h"
#include "providers/ofi/ofi_greeting.h"
#include "providers/ofi/ofi_msg.h"
#include "providers/ofi/ofi_test_kit.h"

namespace squall::ofi {
namespace {

TEST_CASE("a sleeping reader is woken every time, and by wake") {
  for (const Kin& kind : all_kinds()) {
    INFO(kind.name);
    Pair pair(kind);
    Memory mine = memory(4096), theirs = memory(4096);
    REQUIRE(pair.a.fabric->expose(region, mine));
    REQUIRE(pair.b.fabric->expose(region, theirs));
    const auto at_b = pair.b.fabric->import(pair.a_at_b, region, 4096);
    const auto at_a = pair.a.fabric->import(pair.b_at_a, region, 4096);
    REQUIRE(pair.until(
        [&] { return pair.a.count(Kind::attached) == 1 && pair.b.count(Kind::attached) == 1; }));
    const std::uint64_t rounds = pair.a.fabric->capabilities().can_wait ? 3000 : 300;
    std::atomic<int> late = 0;
    // Waits for `value` at `at` the way the engine does.
    const auto sleep_until = [&](Node& node, const std::byte* at, std::uint64_t value) {
      const Time end = Monotonic::now() + patience;
      while (load(at) < value && Monotonic::now() < end) {
        node.turn();
        if (load(at) >= value) break;
        node.fabric->arm();
        node.turn();
        if (load(at) >= value) break;
        const Time before = Monotonic::now();
        node.fabric->wait(before + 2s);
        if (Monotonic::now() - before > 1900ms) ++late;
      }
      node.fabric->disarm();
      return load(at) >= value;
    };
    std::thread other([&] {
      for (std::uint64_t round = 1; round <= rounds; ++round) {
        if (!sleep_until(pair.b, *at_b, round)) break;
        store(theirs.data(), round);
        (void)pair.b.fabric->push(region, 0, 8, Lane::urgent);
        pair.b.fabric->flush();
      }
    });
    for (std::uint64_t round = 1; round <= rounds; ++round) {
      store(mine.data(), round);
      CHECK(pair.a.fabric->push(region, 0, 8, Lane::urgent));
      pair.a.fabric->flush();
      if (!sleep_until(pair.a, *at_a, round)) break;
    }
    other.join();
    CHECK(load(*at_a) == rounds);
    CHECK(late == 0);

    for (int i = 0; i < 50; ++i) {
      pair.a.fabric->arm();
      std::thread waker([&] { pair.a.fabric->wake(); });
      pair.a.turn();
      const Time before = Monotonic::now();
      pair.a.fabric->wait(before + 5s);
      CHECK(Monotonic::now() - before < 4s);
      pair.a.turn();
      waker.join();
    }
  }
}

/// Of the socket pairs that this process has, libfabric's signals: those in which a byte waits.
int pending_signals() {
  int pending = 0;
  for (int fd = 0; fd < 256; ++fd) {
    int domain = 0, bytes = 0;
    socklen_t size = sizeof domain;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 || domain != AF_UNIX) continue;
    pending += ioctl(fd, FIONREAD, &bytes) == 0 && bytes > 0;
  }
  return pending;
}

TEST_CASE("tcp of libfabric 1.17 is muted, so that messages cost no signals") {
  if (libfabric::version() != FI_VERSION(1, 17)) return;
  auto as_verbs = MsgTransport::open("tcp", {}, true);
  REQUIRE(as_verbs);
  CHECK(!(*as_verbs)->queue().muted());
  auto transport = MsgTransport::open("tcp", {});
  REQUIRE(transport);
  CHECK((*transport)->queue().muted());

  Pair pair(all_kinds().front());
  const Time settled = Monotonic::now() + 50ms;
  while (Monotonic::now() < settled) {
    pair.a.turn();
    pair.b.turn();
  }
  const int before = pending_signals();
  std::size_t signalled = 0;
  for (std::size_t round = 1; round <= 20; ++round) {
    REQUIRE(pair.b.fabric->send(pair.a_at_b, Lane::urgent, as_bytes("x"), round));
    pair.b.fabric->flush();  // completes, and nobody has read that yet
    signalled += pending_signals() != before;
    REQUIRE(pair.until([&] { return pair.a.count(Kind::message) == round; }));
  }
  CHECK(signalled == 0);
}

TEST_CASE("who sleeps on the descriptor learns of what was sent after arming") {
  for (const Kin& kind : all_kinds()) {
    INFO(kind.name);
    Pair pair(kind);
    if (!pair.a.fabric->capabilities().can_wait) continue;
    for (std::uint64_t round = 1; round <= 100; ++round) {
      pair.a.fabric->arm();
      pair.a.turn();
      REQUIRE(pair.a.fabric->send(pair.b_at_a, Lane::urgent, as_bytes("x"), round));
      pair.a.fabric->flush();
      while (pair.a.count(Kind::completed) < round) {
        pollfd slept{pair.a.fabric->fd(), POLLIN, 0};
        REQUIRE(::poll(&slept, 1, 5000) == 1);
        pair.a.fabric->wait(Time{});
        pair.a.turn();
        pair.a.fabric->disarm();
        pair.b.turn();
        if (pair.a.count(Kind::completed) < round) {
          pair.a.fabric->arm();
          pair.a.turn();
        }
      }
      pair.a.fabric->disarm();
    }
  }
}

TEST_CASE("the descriptor tells of those who came after it was asked for, whose sockets are new") {
  for (const Kin& kind : all_kinds()) {
    INFO(kind.name);
    Node a(opened(kind));
    if (!a.fabric->capabilities().can_wait) continue;
    REQUIRE(a.fabric->fd() >= 0);
    // One after another: sockets get the numbers of those that are gone.
    for (std::uint64_t round = 1; round <= 5; ++round) {
      CAPTURE(round);
      Node b(opened(kind));
      fabric::Ticket ticket{};
      ticket[0] = static_cast<std::byte>(round);
      const PeerId b_at_a = *a.fabric->connect(b.fabric->address(), ticket);
      const PeerId a_at_b = *b.fabric->connect(a.fabric->address(), ticket);
      const auto until = [&](const std::function<bool()>& condition) {
        const Time end = Monotonic::now() + patience;
        while (!condition() && Monotonic::now() < end) {
          a.turn();
          b.turn();
        }
        return condition();
      };
      REQUIRE(until([&] { return a.count(Kind::connected) == round && b.count(Kind::connected); }));
      for (std::uint64_t said = 1; said <= 10; ++said) {
        a.fabric->arm();
        a.turn();
        REQUIRE(b.fabric->send(a_at_b, Lane::urgent, as_bytes("x")));
        b.turn();
        const Time end = Monotonic::now() + patience;
        while (a.count(Kind::message) < 10 * (round - 1) + said) {
          pollfd slept{a.fabric->fd(), POLLIN, 0};
          REQUIRE(::poll(&slept, 1, 5000) == 1);
          REQUIRE(Monotonic::now() < end);
          a.fabric->wait(Time{});
          a.turn();
          a.fabric->arm();
          a.turn();
        }
        a.fabric->disarm();
      }
      a.fabric->disconnect(b_at_a);
      a.fabric->forget(b_at_a);
    }
  }
}

TEST_CASE("a node that waits uses next to no processor time") {
  for (const Kin& kind : all_kinds()) {
    INFO(kind.name);
    Pair pair(kind);
    for (int i = 0; i < 100; ++i) {
      pair.a.turn();
      pair.b.turn();
    }
    const auto used = [] {
      rusage usage{};
      getrusage(RUSAGE_SELF, &usage);
      return std::chrono::seconds(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
             std::chrono::microseconds(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    };
    const auto before = used();
    const Time end = Monotonic::now() + 1s;
    while (Monotonic::now() < end) {
      pair.a.fabric->arm();
      pair.a.turn();
      pair.a.fabric->wait(std::min(end, Monotonic::now() + 100ms));
      pair.a.turn();
    }
    const auto spent = std::chrono::duration_cast<std::chrono::milliseconds>(used() - before);
    // Naps of 1 ms cost 1 to 2 % by themselves, by what a context switch costs.
    // Under a sanitizer, and its own thread counts, each turn takes several times as long.
    const int bound_ms = (pair.a.fabric->capabilities().can_wait ? 10 : 60) * (sanitized ? 5 : 1);
    CHECK_MESSAGE(spent.count() < bound_ms, spent.count());
    pair.a.fabric->disarm();
  }
}

TEST_CASE("strangers at the listener are dropped, and leave nobody awake") {
  const Kin tcp = all_kinds().front();
  Pair pair(tcp);
  const auto address = parse_address(pair.a.fabric->address());
  REQUIRE(address);
  const auto knock = [&](std::string_view says, bool stays) {
    const int stranger = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(::connect(stranger, reinterpret_cast<const sockaddr*>(&*address),
                      sizeof(sockaddr_in)) == 0);
    if (!says.empty()) CHECK(::send(stranger, says.data(), says.size(), MSG_NOSIGNAL) > 0);
    if (!stays) close(stranger);
    return stranger;
  };
  for (int i = 0; i < 20; ++i) {
    knock("", false);
    knock("GET / HTTP/1.1\r\n\r\n", false);
    knock("x", false);
    pair.a.turn();
  }
  const int garbage = knock(std::string(500, '\xff'), true);
  const int silent = knock("", true);
  REQUIRE(pair.until([&, end = Monotonic::now() + 50ms] { return Monotonic::now() > end; }));
  int wakes = 0;
  const Time end = Monotonic::now() + 500ms;
  for (; Monotonic::now() < end; ++wakes) {
    pair.a.fabric->arm();
    pair.a.turn();
    pair.a.fabric->wait(end);
    pair.a.turn();
  }
  CHECK(wakes < 20);
  REQUIRE(pair.b.fabric->send(pair.a_at_b, Lane::urgent, as_bytes("still here")));
  CHECK(pair.until([&] { return pair.a.count(Kind::message) == 1; }));
  close(garbage);
  close(silent);
}

TEST_CASE("a connection without the expected ticket never comes up") {
  const Kin tcp = all_kinds().front();
  Node a(opened(tcp)), b(opened(tcp));
  fabric::Ticket one{}, two{};
  two[5] = std::byte{1};
  REQUIRE(a.fabric->connect(b.fabric->address(), one));
  REQUIRE(b.fabric->connect(a.fabric->address(), two));
  const Time end = Monotonic::now() + patience;
  while (a.count(Kind::lost) + b.count(Kind::lost) < 2 && Monotonic::now() < end) {
    a.turn();
    b.turn();
    a.fabric->wait(Monotonic::now() + 1ms);
  }
  CHECK(a.count(Kind::lost) == 1);
  CHECK(b.count(Kind::lost) == 1);
  CHECK(a.count(Kind::connected) == 0);
  CHECK(b.count(Kind::connected) == 0);
}

TEST_CASE("an end that connects late finds the connection that was held for it") {
  const Kin tcp = all_kinds().front();
  Node a(opened(tcp)), b(opened(tcp));
  // The smaller address dials at once; its partner expects it only later.
  Node& dialler = a.fabric->address() < b.fabric->address() ? a : b;
  Node& late = &dialler == &a ? b : a;
  REQUIRE(dialler.fabric->connect(late.fabric->address(), {}));
  const Time later = Monotonic::now() + 300ms;
  while (Monotonic::now() < later) {
    dialler.turn();
    late.turn();
  }
  REQUIRE(late.fabric->connect(dialler.fabric->address(), {}));
  const Time end = Monotonic::now() + patience;
  while ((a.count(Kind::connected) == 0 || b.count(Kind::connected) == 0) &&
         Monotonic::now() < end) {
    a.turn();
    b.turn();
  }
  CHECK(a.count(Kind::connected) == 1);
  CHECK(b.count(Kind::connected) == 1);
}

TEST_CASE("every connection within this host is without pacing") {
  std::vector<Queue*> queues;
  const Kin tcp{"tcp", [&]() -> Result<std::unique_ptr<Fabric>> {
                  auto transport = MsgTransport::open("tcp", {});
                  if (!transport) return tl::unexpected(transport.error());
                  queues.push_back(&(*transport)->queue());
                  return std::make_unique<OfiFabric>("tcp", std::move(*transport));
                }};
  Pair pair(tcp);
  if (!queues[0]->muted()) return;  // another libfabric, whose sockets are not known
  const auto unpaced = [](const pollfd& socket) {
    std::array<char, 16> name{};
    socklen_t length = name.size();
    return getsockopt(socket.fd, IPPROTO_TCP, TCP_CONGESTION, name.data(), &length) == 0 &&
           std::string_view(name.data()) == "reno";
  };
  for (Queue* queue : queues) {
    // One for each lane; the queue names them some time after they are up.
    CHECK(pair.until([&] {
      const auto sockets = queue->sockets();
      return sockets.size() == 2 && std::ranges::all_of(sockets, unpaced);
    }));
  }
}

TEST_CASE("what is not here is named, with what there is") {
  const auto says = [](const Result<std::unique_ptr<Fabric>>& result, Code code,
                       std::string_view words) {
    REQUIRE(!result);
    CHECK(result.error().code == code);
    CHECK_MESSAGE(result.error().text().find(words) != std::string::npos, result.error().text());
  };
  says(make_named("warp")->open({}), Code::unavailable, "shm");
  says(make_named("warp")->open({}), Code::unavailable, "warp");
  fabric::Options options;
  options.local_address = "203.0.113.77";
  says(make_tcp()->open(options), Code::unavailable, "127.0.0.1");
  says(make_named("tcp;ofi_rxm")->open(options), Code::unavailable, "127.0.0.1");
  options.local_address = "elsewhere";
  says(make_tcp()->open(options), Code::invalid, "elsewhere");
  auto verbs = make_verbs()->open({});
  if (!verbs) says(std::move(verbs), Code::unavailable, "RDMA device");

  const auto devices = make_tcp()->survey();
  bool loopback = false;
  for (const auto& device : devices) loopback = loopback || device.address == "127.0.0.1";
  CHECK(loopback);
  const auto missing = make_named("warp")->survey();
  REQUIRE(missing.size() == 1);
  CHECK(!missing.front().usable);
}

}  // namespace
}  // namespace squall::ofi
