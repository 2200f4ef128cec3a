#include "test/conformance/child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <stdexcept>
#include <utility>

extern char** environ;

namespace squall::conformance {
namespace {

constexpr int link_fd = 3;
constexpr const char* role_flag = "--role";

std::map<std::string, Role::Play, std::less<>>& roles() {
  static std::map<std::string, Role::Play, std::less<>> all;
  return all;
}

}  // namespace

Link::~Link() {
  if (fd_ >= 0) close(fd_);
}

Link::Link(Link&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      unread_(std::move(other.unread_)),
      closed_(other.closed_) {}

void Link::say(std::string_view line) {
  const std::string text = std::string(line) + "\n";
  // Lines are short: the socket's buffer holds them, so a stopped child does not block the case.
  if (send(fd_, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT) !=
      static_cast<ssize_t>(text.size()))
    closed_ = true;
}

void Link::read_some() {
  char part[4096];
  for (;;) {
    const ssize_t got = recv(fd_, part, sizeof part, MSG_DONTWAIT);
    if (got > 0) {
      unread_.append(part, static_cast<std::size_t>(got));
      continue;
    }
    if (got == 0 || (errno != EAGAIN && errno != EINTR)) closed_ = true;
    if (got == 0 || errno != EINTR) return;
  }
}

std::optional<std::string> Link::try_hear() {
  read_some();
  const std::size_t end = unread_.find('\n');
  if (end == unread_.npos) {
    if (closed_) broken("the other process is gone");
    return std::nullopt;
  }
  std::string line = unread_.substr(0, end);
  unread_.erase(0, end + 1);
  if (line.starts_with("broken: ")) broken("the child says: " + line.substr(8));
  return line;
}

std::string Link::hear(World& world, Duration limit) {
  std::optional<std::string> line;
  if (!world.until([&] { return (line = try_hear()).has_value(); }, limit))
    broken("the other process said nothing in time");
  return line.value_or("");
}

namespace {

Link start(std::string_view role, std::string_view argument, pid_t& pid) {
  int ends[2];
  expect(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
  if (ends[1] == link_fd) {  // dup2 onto itself would leave it closed on exec
    ends[1] = fcntl(link_fd, F_DUPFD_CLOEXEC, link_fd + 1);
    close(link_fd);
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], link_fd);
  std::string words[] = {"child", role_flag, std::string(role), std::string(argument)};
  char* arguments[] = {words[0].data(), words[1].data(), words[2].data(), words[3].data(), nullptr};
  const int status = posix_spawn(&pid, "/proc/self/exe", &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  expect(status == 0, "posix_spawn");
  return Link(ends[0]);
}

}  // namespace

Child::Child(std::string_view role, std::string_view argument)
    : link_(start(role, argument, pid_)) {}

Child::~Child() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void Child::signal(int number) {
  expect(pid_ > 0 && kill(pid_, number) == 0, "the child takes a signal");
  if (number == SIGKILL) {
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  } else if (number == SIGSTOP) {
    waitpid(pid_, nullptr, WUNTRACED);
  }
}

Role::Role(std::string_view name, Play play) {
  roles().emplace(name, play);
}

bool play_role(int argc, char** argv) {
  if (argc < 4 || std::string_view(argv[1]) != role_flag) return false;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  Link link(link_fd);
  try {
    const auto role = roles().find(std::string_view(argv[2]));
    if (role == roles().end()) throw std::runtime_error("no such role");
    role->second(link, argv[3]);
  } catch (const std::exception& error) {
    link.say(std::string("broken: ") + error.what());
  }
  return true;
}

Joined join(Link& link) {
  Joined joined;
  joined.world = subject().make_world();
  joined.node = &joined.world->add(fmt::format("child-{}", getpid()));
  Node& node = *joined.node;
  link.say(hex(node->address()));
  const std::string line = link.hear(*joined.world);
  const std::size_t space = line.find(' ');
  Ticket ticket;
  const std::string secret = unhex(line.substr(space + 1));
  std::memcpy(ticket.data(), secret.data(), ticket.size());
  joined.parent = must(node->connect(unhex(line.substr(0, space)), ticket), "connect in the child");
  const bool connected =
      joined.world->until([&] { return node.find(Kind::connected, joined.parent) != nullptr; });
  expect(connected, "the child is connected");
  return joined;
}

PeerId admit(World& world, Node& node, Child& child) {
  const std::string address = unhex(child.link().hear(world));
  const Ticket ticket = fresh_ticket();
  child.link().say(hex(node->address()) + " " +
                   hex({reinterpret_cast<const char*>(ticket.data()), ticket.size()}));
  const PeerId peer = must(node->connect(address, ticket), "connect");
  const bool connected = world.until([&] { return node.find(Kind::connected, peer) != nullptr; });
  expect(connected, "connected to the child");
  return peer;
}

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return text;
}

std::string unhex(std::string_view text) {
  std::string bytes;
  for (std::size_t at = 0; at + 1 < text.size(); at += 2)
    bytes += static_cast<char>(std::stoi(std::string(text.substr(at, 2)), nullptr, 16));
  return bytes;
}

}  // namespace squall::conformance
