#include "bench/limits/loopback.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "providers/ofi/unpaced.h"

namespace squall::bench {

Result<Connection> Connection::open() {
  Connection made;
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t length = sizeof(address);
  made.ends_[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const bool connected = listener >= 0 && made.ends_[0] >= 0 &&
                         bind(listener, generic, length) == 0 && listen(listener, 1) == 0 &&
                         getsockname(listener, generic, &length) == 0 &&
                         connect(made.ends_[0], generic, length) == 0;
  if (connected) made.ends_[1] = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  const int error = errno;
  if (listener >= 0) close(listener);
  if (made.ends_[1] < 0) return fail_errno("cannot make a loopback connection", error);
  const int on = 1;
  for (const int end : made.ends_)
    if (setsockopt(end, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
      return fail_errno("TCP_NODELAY", errno);
  for (const int end : made.ends_) ofi::unpace_within_host(end);
  return made;
}

Connection::~Connection() {
  for (const int end : ends_)
    if (end >= 0) close(end);
}

int Connection::keep(std::size_t mine) {
  close(std::exchange(ends_[1 - mine], -1));
  return ends_[mine];
}

Result<> send_all(int socket, Bytes bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return fail_errno("send", errno);
    bytes = bytes.subspan(static_cast<std::size_t>(sent));
  }
  return {};
}

}  // namespace squall::bench
