#include "test/groups/cut.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>

namespace squall::group_tests {
namespace {

/// Copies of the sockets of a process, each lent for the call.
std::string each_socket(pid_t pid, const std::function<void(int fd)>& use) {
  const int process = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (process < 0) return fmt::format("pidfd_open: {}", std::strerror(errno));
  std::string why;
  std::error_code gone;
  for (const auto& entry :
       std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", pid), gone)) {
    const auto target = std::filesystem::read_symlink(entry.path(), gone).string();
    if (!target.starts_with("socket:")) continue;
    const int number = std::stoi(entry.path().filename().string());
    const int copy = static_cast<int>(syscall(SYS_pidfd_getfd, process, number, 0));
    if (copy < 0) {
      why = fmt::format("pidfd_getfd: {}", std::strerror(errno));
      continue;
    }
    use(copy);
    close(copy);
  }
  close(process);
  return gone ? gone.message() : why;
}

template <class Value>
Value option(int fd, int name) {
  Value value{};
  socklen_t size = sizeof value;
  getsockopt(fd, SOL_SOCKET, name, &value, &size);
  return value;
}

/// "host:port" of this end or the other; empty if it is no connection over IPv4.
std::string end_of(int fd, decltype(&getpeername) which) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (which(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return "";
  if (address.sin_family != AF_INET) return "";
  char text[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, &address.sin_addr, text, sizeof text);
  return fmt::format("{}:{}", text, ntohs(address.sin_port));
}

}  // namespace

std::string why_no_cut(pid_t child) {
  return each_socket(child, [](int) {});
}

std::size_t cut_shared_memory(pid_t one, pid_t other) {
  std::size_t count = 0;
  each_socket(one, [&](int fd) {
    if (option<int>(fd, SO_DOMAIN) != AF_UNIX || option<int>(fd, SO_TYPE) != SOCK_SEQPACKET ||
        option<int>(fd, SO_ACCEPTCONN) != 0 || option<ucred>(fd, SO_PEERCRED).pid != other)
      return;
    count += shutdown(fd, SHUT_RDWR) == 0 ? 1 : 0;
  });
  return count;
}

std::size_t cut_tcp(pid_t one, pid_t other, const std::vector<std::string>& rendezvous) {
  const auto meets = [&](const std::string& end) {
    return end.empty() || std::ranges::find(rendezvous, end) != rendezvous.end();
  };
  std::vector<std::string> theirs;
  each_socket(other, [&](int fd) { theirs.push_back(end_of(fd, getsockname)); });
  std::size_t count = 0;
  each_socket(one, [&](int fd) {
    const std::string here = end_of(fd, getsockname), there = end_of(fd, getpeername);
    if (meets(here) || meets(there) || std::ranges::find(theirs, there) == theirs.end()) return;
    count += shutdown(fd, SHUT_RDWR) == 0 ? 1 : 0;
  });
  return count;
}

}  // namespace squall::group_tests
