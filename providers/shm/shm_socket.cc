#include "providers/shm/shm_socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/base/assert.h"

namespace squall::shm {
namespace {

struct Name {
  sockaddr_un address{};
  socklen_t bytes = 0;

  explicit Name(std::string_view name) {
    SQUALL_ASSERT(name.size() + 1 < sizeof(address.sun_path), "names are short");
    address.sun_family = AF_UNIX;
    // The leading zero byte puts it in the abstract namespace: no file stays behind a killed
    // process.
    std::memcpy(address.sun_path + 1, name.data(), name.size());
    bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
};

int open_socket() {
  return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

}  // namespace

void Fd::reset() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

Result<Fd> listen_at(std::string_view name) {
  const Name where(name);
  Fd socket(open_socket());
  if (!socket) return fail_errno("cannot open a unix socket", errno);
  if (bind(socket.get(), where.get(), where.bytes) != 0 || listen(socket.get(), 128) != 0)
    return fail_errno(fmt::format("cannot listen on the unix socket @{}", name), errno);
  return socket;
}

int dial(std::string_view name, Fd& socket) {
  const Name where(name);
  socket = Fd(open_socket());
  if (!socket) return errno;
  return connect(socket.get(), where.get(), where.bytes) == 0 ? 0 : errno;
}

int accept_from(const Fd& listener, Fd& socket) {
  socket = Fd(accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  return socket ? 0 : errno;
}

Sent send_packet(const Fd& socket, Bytes bytes, std::span<const int> fds) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(3 * sizeof(int))> control{};
  iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    SQUALL_ASSERT(fds.size() <= 3, "room for three descriptors");
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
  }
  const ssize_t sent = sendmsg(socket.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent >= 0) return Sent::whole;
  // ETOOMANYREFS: too many descriptors are under way on this host; it passes.
  const bool later = errno == EAGAIN || errno == EINTR || errno == ENOBUFS || errno == ETOOMANYREFS;
  return later ? Sent::nothing : Sent::closed;
}

Received receive_packet(const Fd& socket, Packet& packet) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(3 * sizeof(int))> control{};
  packet = Packet{};
  iovec part{packet.buffer.data(), packet.buffer.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t got = recvmsg(socket.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (got < 0) return errno == EAGAIN || errno == EINTR ? Received::nothing : Received::closed;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
      Fd owned(fd);
      if (packet.fd_count < packet.fds.size()) packet.fds[packet.fd_count++] = std::move(owned);
    }
  }
  packet.bytes = static_cast<std::size_t>(got);
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) return Received::broken;
  // We never send an empty packet, so this is the end of the stream.
  return got == 0 ? Received::closed : Received::packet;
}

std::string peer_text(const Fd& socket) {
  ucred who{};
  socklen_t bytes = sizeof(who);
  if (getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &who, &bytes) != 0) return "an unknown pid";
  return fmt::format("pid {} of user {}", who.pid, who.uid);
}

Result<Fd> make_doorbell() {
  Fd fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!fd) return fail_errno("cannot create an eventfd", errno);
  return fd;
}

bool is_doorbell(const Fd& fd) {
  const int flags = fcntl(fd.get(), F_GETFL);
  if (flags < 0 || (flags & O_NONBLOCK) == 0) return false;
  std::array<char, 64> target{};
  const ssize_t bytes =
      readlink(fmt::format("/proc/self/fd/{}", fd.get()).c_str(), target.data(), target.size());
  return bytes > 0 &&
         std::string_view(target.data(), static_cast<std::size_t>(bytes)) == "anon_inode:[eventfd]";
}

void ring(const Fd& doorbell) {
  const std::uint64_t one = 1;
  // EAGAIN means that it rings already.
  [[maybe_unused]] const ssize_t written = write(doorbell.get(), &one, sizeof(one));
}

}  // namespace squall::shm
