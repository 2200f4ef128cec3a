// Real sockets on the loopback, several members in one thread. Every wait is for an event, with
// a deadline far above what it takes.

#include "providers/rendezvous/tcp.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/time.h"
#include "core/fabric/rendezvous_wire.h"
#include "providers/rendezvous/address.h"
#include "providers/rendezvous/socket.h"

namespace squall::rendezvous {
namespace {

using fabric::Rendezvous;
using Event = Rendezvous::Event;
using Happened = Event::Kind;

constexpr Duration patience = 60s;

fabric::Introduction introduction(const std::string& name, std::uint64_t run = 1) {
  fabric::Introduction who;
  who.name = name;
  who.id = fabric::node_id(name);
  who.incarnation = Incarnation{run};
  who.group_digest = 5;
  who.group_text = "ring 1024";
  who.fabrics = {{"tcp", "address of " + name}};
  return who;
}

/// Blocking client socket to a listener: what a stranger has.
Descriptor stranger(const std::string& address) {
  const auto resolved = resolve(*parse_address(address));
  REQUIRE(resolved);
  const SocketAddress& to = resolved->addresses.front();
  Descriptor made(socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (made.get() < 0 || connect(made.get(), to.get(), to.size) != 0) return Descriptor();
  return made;
}
void say(const Descriptor& socket, Bytes bytes) {
  // The other end may have hung up: that is what some tests are about.
  static_cast<void>(send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL));
}
/// Everything that has come so far; nullopt once the other end hung up and all is read.
std::optional<std::vector<std::byte>> heard(const Descriptor& socket) {
  std::vector<std::byte> bytes(65536);
  const ssize_t got = recv(socket.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (got == 0 || (got < 0 && errno != EAGAIN)) return std::nullopt;
  bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  return bytes;
}

/// Members of one roster, each with a listener on an ephemeral port from the beginning on.
struct Group {
  fabric::Roster roster;
  std::vector<Descriptor> listeners;
  std::vector<std::unique_ptr<Rendezvous>> members;
  std::vector<std::vector<Event>> events;

  explicit Group(std::size_t size, const std::string& at = "127.0.0.1:0")
      : members(size), events(size) {
    for (std::size_t rank = 0; rank < size; ++rank) {
      auto listener = listen_on(at);
      REQUIRE(listener);
      roster.push_back({std::string(1, static_cast<char>('a' + rank)), local_address(*listener)});
      listeners.push_back(std::move(*listener));
    }
  }
  void start(std::size_t rank, fabric::Introduction who) {
    Options options;
    options.roster = roster;
    options.self = std::move(who);
    // A copy, so that a next run can take the same port without a race.
    options.listen_fd = fcntl(listeners[rank].get(), F_DUPFD_CLOEXEC, 0);
    auto opened = open(std::move(options));
    REQUIRE(opened);
    members[rank] = std::move(*opened);
  }
  void start(std::size_t rank) { start(rank, introduction(roster[rank].name)); }
  void start_all() {
    for (std::size_t rank = 0; rank < members.size(); ++rank) start(rank);
  }

  /// Polls everyone, sleeping on their descriptors, until `done`.
  [[nodiscard]] bool until(const std::function<bool()>& done) {
    const Time give_up = Monotonic::now() + patience;
    while (Monotonic::now() < give_up) {
      std::vector<pollfd> fds;
      Time wake = Monotonic::now() + 50ms;  // `done` may look at strangers, which wake nobody
      for (std::size_t rank = 0; rank < members.size(); ++rank) {
        if (!members[rank]) continue;
        members[rank]->poll(Monotonic::now(), events[rank]);
        fds.push_back({members[rank]->fd(), POLLIN, 0});
        wake = std::min(wake, members[rank]->deadline());
      }
      if (done()) return true;
      const auto sleep = std::chrono::ceil<std::chrono::milliseconds>(wake - Monotonic::now());
      ::poll(fds.data(), fds.size(), std::max(0, static_cast<int>(sleep.count())));
    }
    return false;
  }
  [[nodiscard]] bool until_complete() {
    return until([&] {
      return std::ranges::all_of(members, [](auto& m) { return m && m->missing().empty(); });
    });
  }
  const Event* find(std::size_t rank, Happened kind) const {
    for (const Event& event : events[rank])
      if (event.kind == kind) return &event;
    return nullptr;
  }
  [[nodiscard]] const Event* wait_for(std::size_t rank, Happened kind) {
    return until([&] { return find(rank, kind) != nullptr; }) ? find(rank, kind) : nullptr;
  }
};

TEST_CASE("three members meet over TCP, with equal tickets and each other's fabric addresses") {
  for (const char* at : {"127.0.0.1:0", "[::1]:0", "localhost:0"}) {
    CAPTURE(at);
    if (!listen_on(at)) {
      MESSAGE("skipped: this host has no address for " << at);
      continue;
    }
    Group group(3, at);
    group.start_all();
    REQUIRE(group.until_complete());
    for (std::size_t rank = 0; rank < 3; ++rank) {
      REQUIRE(group.events[rank].size() == 2);
      for (const Event& event : group.events[rank]) {
        CHECK(event.kind == Happened::introduced);
        CHECK(event.who.fabrics.at(0).address == "address of " + group.roster[event.rank].name);
        const auto& theirs = group.events[event.rank];
        CHECK(std::ranges::any_of(theirs, [&](const Event& other) {
          return other.rank == rank && other.ticket == event.ticket;
        }));
      }
      CHECK(group.members[rank]->deadline() == never);
    }
  }
}

TEST_CASE("a late starter is met, and until then named with the reason") {
  Group group(3);
  group.listeners[0].reset();  // nobody listens at a's port
  group.start(1);
  REQUIRE(group.until([&] {
    return group.members[1]->missing() ==
           fmt::format("a ({}: Connection refused), c ({}: has not called yet)",
                       group.roster[0].address, group.roster[2].address);
  }));
  auto listener = listen_on(group.roster[0].address);
  REQUIRE(listener);
  group.listeners[0] = std::move(*listener);
  group.start(0);
  group.start(2);
  CHECK(group.until_complete());
}

TEST_CASE("another configuration is refused with the reason at both ends") {
  Group group(2);
  group.start(0);
  auto b = introduction("b");
  b.group_digest = 6;
  b.group_text = "ring 2048";
  group.start(1, b);
  const Event* refused = group.wait_for(1, Happened::refused);
  const Event* turned_away = group.wait_for(0, Happened::turned_away);
  REQUIRE(refused);
  REQUIRE(turned_away);
  for (const Event* event : {refused, turned_away}) {
    CAPTURE(event->error.text());
    CHECK(event->error.what.find("a has \"ring 1024\", b has \"ring 2048\"") != std::string::npos);
  }
}

TEST_CASE("another wire version is refused, and the refusal arrives whole") {
  Group group(1);
  group.start(0);
  const auto peer = stranger(group.roster[0].address);
  REQUIRE(peer.get() >= 0);
  Writer body;
  body.put(std::string_view("b"));
  say(peer, fabric::encode_frame(fabric::FrameKind::hello, body.bytes(), fabric::wire_version + 1));
  say(peer, std::vector<std::byte>(5000));  // more than will be read
  REQUIRE(group.wait_for(0, Happened::turned_away));
  std::vector<std::byte> answer;
  REQUIRE(group.until([&] {
    const auto more = heard(peer);
    if (more) answer.insert(answer.end(), more->begin(), more->end());
    return !more;
  }));
  const auto frame = fabric::take_frame(answer);
  REQUIRE((frame && *frame));
  CHECK(fabric::decode_refusal((*frame)->body)->text() ==
        fabric::version_error("a", "b", fabric::wire_version + 1).text());
}

TEST_CASE("the death of a process is seen by the others at once") {
  Group group(2);
  group.start(0);
  const pid_t child = fork();
  if (child == 0) {
    group.start(1);
    group.members[0].reset();
    static_cast<void>(group.until([] { return false; }));
    _exit(0);
  }
  REQUIRE(child > 0);
  group.listeners[1].reset();
  REQUIRE(group.wait_for(0, Happened::introduced));
  kill(child, SIGKILL);
  const Event* gone = group.wait_for(0, Happened::gone);
  REQUIRE(gone);
  CHECK(gone->rank == 1);
  CHECK(gone->error.what.find("b is gone: ") == 0);
  waitpid(child, nullptr, 0);
}

TEST_CASE("a member that is gone comes back in its next run with another ticket") {
  Group group(2);
  group.start_all();
  REQUIRE(group.until_complete());
  for (std::uint64_t run = 2; run < 20; ++run) {
    group.events[0].clear();
    // Its end and its next hello may well be ready in the same batch: the end counts first.
    group.members[1].reset();
    group.start(1, introduction("b", run));
    group.members[1]->poll(Monotonic::now(), group.events[1]);
    group.members[1]->poll(Monotonic::now(), group.events[1]);
    REQUIRE(group.wait_for(0, Happened::introduced));
    CHECK(group.find(0, Happened::turned_away) == nullptr);
    REQUIRE(group.events[0].size() == 2);
    CHECK(group.events[0][0].kind == Happened::gone);
    CHECK(group.events[0][1].who.incarnation == Incarnation{run});
  }
}

TEST_CASE("the end of a run counts before the hello of the next, when both are read at once") {
  // The kernel may rarely hand over the end later than the hello that was sent before it, and
  // then the refusal is right; so one attempt of several must do.
  bool heard_in_order = false;
  for (std::uint64_t run = 1; run <= 5 && !heard_in_order; ++run) {
    Group group(2);
    group.start_all();
    REQUIRE(group.until_complete());
    const auto next = stranger(group.roster[0].address);
    const Time now = Monotonic::now();
    group.members[0]->poll(now, group.events[0]);  // takes the call
    group.events[0].clear();
    say(next, fabric::encode_hello(fabric::FrameKind::hello,
                                   {introduction("b", run + 1), 1, 0, "a", {}}));
    group.members[1].reset();
    group.members[0]->poll(now, group.events[0]);
    heard_in_order = group.find(0, Happened::gone) && !group.find(0, Happened::turned_away);
  }
  CHECK(heard_in_order);
}

TEST_CASE("who leaves in good order is seen as left, not as gone, even if it ends at once") {
  Group group(3);
  group.start_all();
  REQUIRE(group.until_complete());
  group.members[1]->leave("work done");
  group.members[1].reset();
  for (const std::size_t rank : {0u, 2u}) {
    const Event* left = group.wait_for(rank, Happened::left);
    REQUIRE(left);
    CHECK(left->rank == 1);
    CHECK(left->error.what == "work done");
    CHECK(group.find(rank, Happened::gone) == nullptr);
  }
  // Both at once: each goodbye meets the other.
  group.members[0]->leave("me too");
  group.members[2]->leave("me too");
  CHECK(group.members[0]->deadline() < never);
  REQUIRE(group.until([&] {
    return group.members[0]->deadline() == never && group.members[2]->deadline() == never;
  }));
  CHECK(group.find(0, Happened::gone) == nullptr);
  CHECK(group.find(2, Happened::gone) == nullptr);
}

TEST_CASE("strangers that say nothing, garbage or half a hello do not keep members apart") {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  // Both ends of every connection are in this process.
  const auto count = std::min<std::size_t>(600, (limit.rlim_cur - 100) / 2);
  Group group(2);
  group.start(0);
  const auto hello =
      fabric::encode_hello(fabric::FrameKind::hello, {introduction("b"), 1, 0, "a", {}});
  std::vector<Descriptor> strangers;
  std::size_t next = 0;
  REQUIRE(group.until([&] {
    for (int i = 0; i < 50 && next < count; ++i, ++next) {
      strangers.push_back(stranger(group.roster[0].address));
      if (next % 3 == 1) say(strangers.back(), as_bytes("GET / HTTP/1.1\r\n\r\n"));
      if (next % 3 == 2) say(strangers.back(), Bytes(hello).first(hello.size() / 2));
    }
    return next == count;
  }));
  group.start(1);
  REQUIRE(group.until_complete());
  CHECK(group.events[0].size() == 1);  // strangers are no events

  // Garbage is dropped at once, the rest within the time for a handshake; none is left.
  std::size_t open = strangers.size();
  CHECK(group.until([&] {
    open = static_cast<std::size_t>(std::ranges::count_if(
        strangers, [](const Descriptor& socket) { return heard(socket).has_value(); }));
    return open == 0;
  }));
  CHECK(open == 0);
  CHECK(group.members[0]->missing() == "");
}

TEST_CASE("without descriptors it waits instead of spinning, and recovers") {
  Group group(2);
  group.start_all();
  rlimit old{};
  getrlimit(RLIMIT_NOFILE, &old);
  // The caller's socket is made, then nothing is left for the called one.
  group.members[1]->poll(Monotonic::now(), group.events[1]);
  const Descriptor probe(dup(0));
  const rlimit none{static_cast<rlim_t>(probe.get()), old.rlim_max};
  setrlimit(RLIMIT_NOFILE, &none);
  const Time now = Monotonic::now();
  group.members[0]->poll(now, group.events[0]);
  const Time deadline = group.members[0]->deadline();
  pollfd quiet{group.members[0]->fd(), POLLIN, 0};
  const int ready = ::poll(&quiet, 1, 0);
  setrlimit(RLIMIT_NOFILE, &old);
  CHECK(ready == 0);
  CHECK(deadline > now);
  CHECK(deadline < now + 1s);
  CHECK(group.until_complete());
}

TEST_CASE("calls are taken at a bounded rate, the rest waits") {
  Group group(1);
  group.start(0);
  std::vector<Descriptor> strangers;
  for (int i = 0; i < accepts_at_once + 20; ++i)
    strangers.push_back(stranger(group.roster[0].address));
  const Time now = Monotonic::now();
  const auto silent_after = [&](Time at) {
    group.members[0]->poll(at, group.events[0]);
    return group.members[0]->deadline();
  };
  // Time stands still: after the first lot no call is taken, however often it is polled, and the
  // listener is due again soon.
  for (int i = 0; i < 5; ++i) {
    const Time deadline = silent_after(now);
    CHECK(deadline > now);
    CHECK(deadline <= now + Duration(1s) / accepts_per_second);
  }
  // Once all are taken, only the strangers' time is left to wait for.
  CHECK(silent_after(now + 1s) == now + fabric::Limits::handshake);
}

TEST_CASE("what is wrong with a listening address is said with a remedy") {
  const auto try_open = [](const std::string& listen, int fd = -1) {
    Options options;
    options.roster = {{"a", "127.0.0.1:1"}};
    options.self = introduction("a");
    options.listen = listen;
    options.listen_fd = fd;
    const auto opened = open(std::move(options));
    return opened ? std::string("open") : opened.error().text();
  };
  const auto taken = listen_on("127.0.0.1:0");
  REQUIRE(taken);
  const std::string address = local_address(*taken);
  CHECK(try_open(address) ==
        fmt::format("port {} on 127.0.0.1 is in use (stop what listens there or set node.listen)",
                    parse_address(address)->port));
  const std::string foreign = try_open("192.0.2.1:7070");
  CHECK(foreign.find("192.0.2.1 is not an address of this host (set node.listen to one of ") == 0);
  CHECK(foreign.find("127.0.0.1") != std::string::npos);
  CHECK(try_open("nonsense").find("\"nonsense\" is not an address") == 0);
  CHECK(try_open("", socket(AF_INET, SOCK_STREAM, 0)).find("is not a listening socket") !=
        std::string::npos);
}

TEST_CASE("sockets are not inherited by programs that the application starts") {
  const auto inherits = [] {
    int count = 0;
    for (int fd = 0; fd < 256; ++fd) {
      const int flags = fcntl(fd, F_GETFD);
      if (flags >= 0 && (flags & FD_CLOEXEC) == 0) ++count;
    }
    return count;
  };
  const int before = inherits();
  Group group(2);
  group.start_all();
  REQUIRE(group.until_complete());
  CHECK(inherits() == before);
}

}  // namespace
}  // namespace squall::rendezvous
