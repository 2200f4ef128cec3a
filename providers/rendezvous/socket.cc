#include "providers/rendezvous/socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace squall::rendezvous {
namespace {

constexpr int backlog = 1024;  // the kernel lowers it to net.core.somaxconn
// A peer whose host is gone: this long without an answer, then three probes.
constexpr int keepalive_idle_s = 4;
constexpr int keepalive_interval_s = 2;
constexpr int keepalive_probes = 3;

void set(int fd, int level, int option, int value) {
  // All of these are refinements: a system without one still works.
  static_cast<void>(setsockopt(fd, level, option, &value, sizeof(value)));
}

Result<Descriptor> open_socket(const SocketAddress& address) {
  Descriptor made(socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (made.get() < 0) return fail_errno("cannot open a socket", errno);
  return made;
}

tl::unexpected<Error> bind_error(const HostPort& where, int error) {
  const std::string at = fmt::format("port {} on {}", where.port, where.host);
  switch (error) {
    case EADDRINUSE:
      return fail(Code::unavailable, at + " is in use",
                  "stop what listens there or set node.listen");
    case EADDRNOTAVAIL:
      return fail(Code::unavailable, where.host + " is not an address of this host",
                  "set node.listen to one of " + local_addresses());
    case EACCES:
      return fail(Code::unavailable, at + " needs privileges",
                  "choose a port above 1023 or grant CAP_NET_BIND_SERVICE");
    default:
      return fail_errno("cannot listen at " + at, error);
  }
}

}  // namespace

Result<Descriptor> listen_on(const std::string& address) {
  const auto where = parse_address(address);
  if (!where) return tl::unexpected(where.error());
  const auto resolved = resolve(*where);
  if (!resolved) return tl::unexpected(resolved.error());
  const SocketAddress& first = resolved->addresses.front();
  auto listener = open_socket(first);
  if (!listener) return listener;
  set(listener->get(), SOL_SOCKET, SO_REUSEADDR, 1);
  // Several listeners may share a bound port until one listens, so both calls can be refused.
  if (bind(listener->get(), first.get(), first.size) != 0 || listen(listener->get(), backlog) != 0)
    return bind_error(*where, errno);
  return listener;
}

Result<Descriptor> adopt_listener(int fd) {
  Descriptor listener(fd);
  int listening = 0;
  socklen_t size = sizeof(listening);
  if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || listening == 0)
    return fail(Code::invalid, fmt::format("descriptor {} is not a listening socket", fd),
                "the launcher must bind and listen before it hands it on");
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  return listener;
}

Result<Descriptor> start_connecting(const SocketAddress& address) {
  auto made = open_socket(address);
  if (!made) return made;
  tune_connection(*made);
  if (connect(made->get(), address.get(), address.size) != 0 && errno != EINPROGRESS)
    return fail(Code::io, strerror(errno));
  return made;
}

int connect_result(const Descriptor& socket) {
  int error = 0;
  socklen_t size = sizeof(error);
  if (getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  if (error != 0) return error;
  SocketAddress here;
  SocketAddress there;
  here.size = there.size = sizeof(here.storage);
  if (getsockname(socket.get(), here.get(), &here.size) != 0) return errno;
  if (getpeername(socket.get(), there.get(), &there.size) != 0) return errno;
  const bool itself =
      here.size == there.size && std::memcmp(&here.storage, &there.storage, here.size) == 0;
  return itself ? ECONNREFUSED : 0;
}

void tune_connection(const Descriptor& socket) {
  const int fd = socket.get();
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(fd, IPPROTO_TCP, TCP_KEEPIDLE, keepalive_idle_s);
  set(fd, IPPROTO_TCP, TCP_KEEPINTVL, keepalive_interval_s);
  set(fd, IPPROTO_TCP, TCP_KEEPCNT, keepalive_probes);
}

std::string local_address(const Descriptor& socket) {
  SocketAddress here;
  here.size = sizeof(here.storage);
  if (getsockname(socket.get(), here.get(), &here.size) != 0) return "an unknown address";
  return to_text(here);
}

}  // namespace squall::rendezvous
