#include "providers/ofi/unpaced.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <string>
#include <utility>

namespace squall::ofi {
namespace {

/// One that a process may choose and that is not reno: what the system would take.
std::string another_one() {
  std::ifstream allowed("/proc/sys/net/ipv4/tcp_allowed_congestion_control");
  std::string name;
  while (allowed >> name)
    if (name != "reno") return name;
  return "reno";
}

std::string congestion_control(int socket) {
  std::array<char, 16> name{};  // TCP_CA_NAME_MAX
  socklen_t length = name.size();
  REQUIRE(getsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, name.data(), &length) == 0);
  return name.data();
}

void choose(int socket, const std::string& name) {
  REQUIRE(setsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, name.data(),
                     static_cast<socklen_t>(name.size())) == 0);
}

sockaddr_storage address_of(const char* text) {
  sockaddr_storage made{};
  auto& v4 = reinterpret_cast<sockaddr_in&>(made);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(made);
  if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
    made.ss_family = AF_INET;
  } else {
    REQUIRE(inet_pton(AF_INET6, text, &v6.sin6_addr) == 1);
    made.ss_family = AF_INET6;
  }
  return made;
}

/// A connection from one address of this host to another.
struct Connection {
  Connection(const char* from, const char* to) {
    sockaddr_storage source = address_of(from), target = address_of(to);
    socklen_t length = sizeof target;
    auto* generic = reinterpret_cast<sockaddr*>(&target);
    const int listener = socket(target.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    dialled = socket(source.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    made = bind(listener, generic, length) == 0 && listen(listener, 1) == 0 &&
           getsockname(listener, generic, &length) == 0 &&
           bind(dialled, reinterpret_cast<sockaddr*>(&source), sizeof source) == 0 &&
           connect(dialled, generic, length) == 0;
    if (made) accepted = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    close(listener);
  }
  ~Connection() {
    close(dialled);
    if (accepted >= 0) close(accepted);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool made = false;
  int dialled = -1, accepted = -1;
};

TEST_CASE("both ends of a connection within this host take reno") {
  for (const auto& [from, to] : {std::pair{"127.0.0.1", "127.0.0.1"},
                                 std::pair{"127.0.0.2", "127.0.0.3"}, std::pair{"::1", "::1"}}) {
    INFO(from << " to " << to);
    const Connection connection(from, to);
    if (!connection.made) {
      WARN_MESSAGE(connection.made, "there is no such address here");
      continue;
    }
    for (const int end : {connection.dialled, connection.accepted}) {
      choose(end, another_one());
      CHECK(unpace_within_host(end));
      CHECK(congestion_control(end) == "reno");
    }
  }
}

TEST_CASE("what is no TCP connection is left alone") {
  CHECK(!unpace_within_host(-1));
  const int unconnected = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  choose(unconnected, another_one());
  CHECK(!unpace_within_host(unconnected));
  CHECK(congestion_control(unconnected) == another_one());
  close(unconnected);
  std::array<int, 2> local{};
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, local.data()) == 0);
  CHECK(!unpace_within_host(local[0]));
  for (const int end : local) close(end);
}

}  // namespace
}  // namespace squall::ofi
