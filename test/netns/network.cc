#include "test/netns/network.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <sstream>
#include <stdexcept>

namespace squall::netns_tests {
namespace {

constexpr const char* ip_program = "/sbin/ip";

/// The exit status of ip(8) with these words, in the namespace that the caller is in.
int ip(const std::string& words) {
  std::vector<std::string> parts{ip_program};
  std::istringstream in(words);
  for (std::string part; in >> part;) parts.push_back(part);
  std::vector<char*> arguments;
  for (std::string& part : parts) arguments.push_back(part.data());
  arguments.push_back(nullptr);
  pid_t pid = 0;
  int status = -1;
  if (posix_spawn(&pid, ip_program, nullptr, nullptr, arguments.data(), environ) != 0) return -1;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void must_ip(const std::string& words) {
  REQUIRE_MESSAGE(ip(words) == 0, "ip " << words);
}

int this_namespace() {
  return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

bool write_file(const char* path, std::string_view text) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
  return written;
}

/// A namespace of its own; the caller is in it. Forwards IPv4 if asked to.
std::string make_namespace(bool forwards) {
  if (unshare(CLONE_NEWNET) != 0) return fmt::format("unshare: {}", std::strerror(errno));
  if (forwards && !write_file("/proc/sys/net/ipv4/ip_forward", "1"))
    return fmt::format("ip_forward: {}", std::strerror(errno));
  return {};
}

}  // namespace

std::string Network::why_not() {
  if (geteuid() != 0) return "network namespaces are made by root only";
  if (access(ip_program, X_OK) != 0) return "no /sbin/ip here (package iproute2)";
  // In a process of its own: if it works, this one stays where it is.
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return std::strerror(errno);
  const pid_t pid = fork();
  if (pid == 0) {
    std::string why = make_namespace(true);
    if (why.empty() && ip("link add v0 type veth peer name v1") != 0) why = "no veth pairs here";
    if (why.empty() && ip("rule add from 10.9.1.1 to 10.9.2.1 blackhole") != 0)
      why = "no routing rules here";
    if (write(ends[1], why.data(), why.size()) < 0) _exit(1);
    _exit(0);
  }
  close(ends[1]);
  char text[200];
  const ssize_t size = pid > 0 ? read(ends[0], text, sizeof text) : 0;
  close(ends[0]);
  int status = -1;
  if (pid > 0) waitpid(pid, &status, 0);
  if (status != 0) return "a process that tries it does not end well";
  return std::string(text, static_cast<std::size_t>(size > 0 ? size : 0));
}

Network::Network(std::size_t hosts) {
  std::string why;
  for (std::size_t host = 0; host < hosts; ++host) {
    why += make_namespace(false);
    must_ip("link set lo up");
    hosts_.push_back(this_namespace());
  }
  why += make_namespace(true);
  REQUIRE_MESSAGE(why.empty(), why);
  router_ = this_namespace();
  must_ip("link set lo up");
  for (std::size_t host = 0; host < hosts; ++host) {
    // Names with a slash are files to ip(8); it inherits no descriptor, so it is told ours.
    must_ip(fmt::format("link add to{} type veth peer name eth0 netns /proc/{}/fd/{}", host,
                        getpid(), hosts_[host]));
    must_ip(fmt::format("address add 10.9.{}.254/24 dev to{}", host + 1, host));
    must_ip(fmt::format("link set to{} up", host));
    REQUIRE(setns(hosts_[host], CLONE_NEWNET) == 0);
    must_ip(fmt::format("address add {}/24 dev eth0", address(host)));
    must_ip("link set eth0 up");
    must_ip(fmt::format("route add default via 10.9.{}.254", host + 1));
    REQUIRE(setns(router_, CLONE_NEWNET) == 0);
  }
}

Network::~Network() {
  for (const int host : hosts_) close(host);
  close(router_);
}

std::string Network::address(std::size_t host) const {
  return fmt::format("10.9.{}.1", host + 1);
}

void Network::enter(std::size_t host) const {
  if (setns(hosts_.at(host), CLONE_NEWNET) != 0)
    throw std::runtime_error(fmt::format("setns: {}", std::strerror(errno)));
}

void Network::link_down(std::size_t host) {
  must_ip(fmt::format("link set to{} down", host));
  // The router does not say that it knows no way there.
  must_ip(fmt::format("route add blackhole 10.9.{}.0/24", host + 1));
}

void Network::link_up(std::size_t host) {
  must_ip(fmt::format("route del blackhole 10.9.{}.0/24", host + 1));
  must_ip(fmt::format("link set to{} up", host));
}

void Network::rule(const char* verb, const Hole& hole) const {
  must_ip(
      fmt::format("rule {} from {} to {} blackhole", verb, address(hole.from), address(hole.to)));
}

void Network::blackhole(std::size_t from, std::size_t to) {
  holes_.push_back({from, to});
  rule("add", holes_.back());
}

void Network::partition(const std::vector<std::size_t>& left,
                        const std::vector<std::size_t>& right) {
  for (const std::size_t one : left)
    for (const std::size_t other : right) {
      blackhole(one, other);
      blackhole(other, one);
    }
}

void Network::heal() {
  for (const Hole& hole : holes_) rule("del", hole);
  holes_.clear();
}

}  // namespace squall::netns_tests
