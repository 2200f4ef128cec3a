#include "bench/launch/crew.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

#include "bench/launch/interrupt.h"
#include "bench/launch/link.h"
#include "bench/process/die_with.h"

namespace squall::bench {
namespace {

/// How long members that were hung up on may take to clean up.
constexpr Duration dismissal = 3s;

struct Listener {
  int fd = -1;
  std::string address;
};

Result<Listener> listen_on_loopback() {
  Listener made;
  made.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  if (made.fd < 0 || bind(made.fd, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      listen(made.fd, 64) != 0 ||
      getsockname(made.fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    auto error = fail_errno("cannot listen on 127.0.0.1", errno);
    if (made.fd >= 0) close(made.fd);
    return error;
  }
  made.address = fmt::format("127.0.0.1:{}", ntohs(address.sin_port));
  return made;
}

/// Between fork and exec: only what is safe there.
[[noreturn]] void become_member(pid_t parent, int channel, int listener, char* const* arguments) {
  if (!die_with(parent)) _exit(127);
  // The terminal sends Ctrl-C to everyone; members hear of it from the command.
  std::signal(SIGINT, SIG_IGN);
  // Out of the way of the numbers that they get.
  const int high_channel = fcntl(channel, F_DUPFD_CLOEXEC, 16);
  const int high_listener = fcntl(listener, F_DUPFD_CLOEXEC, 16);
  if (dup2(high_channel, member_channel_fd) < 0 || dup2(high_listener, member_listen_fd) < 0)
    _exit(127);
  execv("/proc/self/exe", arguments);
  _exit(127);
}

std::string describe(int status) {
  if (WIFEXITED(status)) return fmt::format("exit status {}", WEXITSTATUS(status));
  return fmt::format("killed by signal {}", WTERMSIG(status));
}

}  // namespace

std::string member_name(unsigned index) {
  return {static_cast<char>('a' + index % 26)};
}

Result<Crew> Crew::start(const Plan& plan) {
  if (plan.members < 1 || plan.members > max_crew || plan.joiners >= plan.members)
    return fail(Code::invalid, fmt::format("a group of {} members", plan.members),
                fmt::format("1 to {}", max_crew));
  Config config = plan.config;
  config.contacts.clear();
  std::vector<int> listeners;
  std::vector<std::string> addresses;
  const auto close_listeners = [&] {
    for (const int fd : listeners) close(fd);
  };
  for (unsigned i = 0; i < plan.members; ++i) {
    auto listener = listen_on_loopback();
    if (!listener) {
      close_listeners();
      return tl::unexpected(listener.error());
    }
    listeners.push_back(listener->fd);
    addresses.push_back(listener->address);
    if (i + plan.joiners < plan.members)
      config.contacts.push_back({member_name(i), listener->address});
  }
  config.listen_fd = member_listen_fd;

  Crew crew;
  Result<> started;
  // What no member could read is told here, once.
  if (auto crossed = config_from_json(to_json(config)); !crossed)
    started = tl::unexpected(crossed.error());
  std::vector<std::string> words{"squall"};
  words.insert(words.end(), plan.arguments.begin(), plan.arguments.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const pid_t parent = getpid();
  for (unsigned i = 0; i < plan.members && started; ++i) {
    std::array<int, 2> ends{};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
      started = fail_errno("socketpair", errno);
      break;
    }
    Member member;
    member.channel = Channel(ends[0]);
    member.pid = fork();
    if (member.pid == 0) become_member(parent, ends[1], listeners[i], arguments.data());
    if (member.pid < 0) started = fail_errno("cannot start a member", errno);
    close(ends[1]);
    if (!started) break;
    crew.members_.push_back(std::move(member));
    config.name = member_name(i);
    if (i + plan.joiners >= plan.members) {
      config.start = Start::join;
      config.listen = addresses[i];
    }
    crew.tell(i, {{"config", to_json(config)}, {"task", plan.task(i)}});
  }
  close_listeners();
  if (!started) return tl::unexpected(started.error());
  return crew;
}

Crew::~Crew() {
  dismiss();
  const Time deadline = Monotonic::now() + dismissal;
  for (bool killed = false; running() > 0;) {
    for (Member& member : members_)
      if (!member.ended && waitpid(member.pid, nullptr, WNOHANG) == member.pid) member.ended = true;
    if (running() == 0) break;
    if (!killed && Monotonic::now() >= deadline) {
      kill_all();
      killed = true;
    }
    poll(nullptr, 0, 2);
  }
}

unsigned Crew::running() const {
  return static_cast<unsigned>(
      std::count_if(members_.begin(), members_.end(), [](const Member& m) { return !m.ended; }));
}

void Crew::tell(unsigned member, const nlohmann::json& message) {
  // One that is gone will be news by itself.
  static_cast<void>(members_[member].channel.send(message));
}

void Crew::tell_all(const nlohmann::json& message) {
  for (unsigned i = 0; i < size(); ++i) tell(i, message);
}

void Crew::dismiss() {
  for (Member& member : members_)
    if (member.channel.fd() >= 0) shutdown(member.channel.fd(), SHUT_WR);
}

void Crew::signal(unsigned member, int signal) {
  if (!members_[member].ended) kill(members_[member].pid, signal);
}

void Crew::kill_all() {
  for (unsigned i = 0; i < size(); ++i) signal(i, SIGKILL);
}

std::optional<Crew::News> Crew::look(unsigned index) {
  Member& member = members_[index];
  if (member.ended) return std::nullopt;
  if (auto message = member.channel.receive()) return News{index, std::move(message), false, {}};
  if (!member.channel.closed()) return std::nullopt;
  // Its socket closes as it exits: the status is there at once, or very soon.
  int status = 0;
  while (waitpid(member.pid, &status, 0) < 0 && errno == EINTR) {
  }
  member.ended = true;
  return News{index, std::nullopt, WIFEXITED(status) && WEXITSTATUS(status) == 0, describe(status)};
}

std::optional<Crew::News> Crew::next(Time deadline) {
  for (;;) {
    std::vector<pollfd> entries;
    for (unsigned i = 0; i < size(); ++i) {
      if (auto news = look(i)) return news;
      if (!members_[i].ended) entries.push_back({members_[i].channel.fd(), POLLIN, 0});
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Monotonic::now());
    if (left.count() <= 0 || entries.empty() || interrupted()) return std::nullopt;
    poll(entries.data(), entries.size(), static_cast<int>(std::min<long>(left.count(), 60'000)));
  }
}

}  // namespace squall::bench
