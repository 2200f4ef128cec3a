#include "test/groups/process.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

namespace squall::group_tests {
namespace {

constexpr std::string_view broken = "broken: ";

std::vector<const Process*>& all_processes() {
  static std::vector<const Process*> all;
  return all;
}

/// The pid, and this side's end of the line.
std::pair<pid_t, int> start(const Process::Play& play) {
  int ends[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  std::fflush(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  REQUIRE(pid >= 0);
  if (pid != 0) {
    close(ends[1]);
    return {pid, ends[0]};
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
  close(ends[0]);
  // doctest catches these in the test itself; here they should simply end the process.
  for (const int fatal : {SIGSEGV, SIGABRT, SIGFPE, SIGILL, SIGTERM, SIGINT})
    ::signal(fatal, SIG_DFL);
  {
    Line line(ends[1]);
    try {
      play(line);
    } catch (const std::exception& error) {
      line.say(std::string(broken) + error.what());
    }
  }
  std::fflush(nullptr);
  _exit(0);  // what the test has open is not this process's to clean up
}

}  // namespace

Line::~Line() {
  close_end();
}

void Line::close_end() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

void Line::say(std::string_view word) {
  const auto size = static_cast<std::uint32_t>(word.size());
  std::string text(reinterpret_cast<const char*>(&size), sizeof size);
  text += word;
  for (std::string_view rest = text; !rest.empty();) {
    const ssize_t sent = send(fd_, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return;  // gone: whoever hears next finds out
    rest.remove_prefix(static_cast<std::size_t>(sent));
  }
}

bool Line::read_some() {
  char part[65536];
  const ssize_t got = recv(fd_, part, sizeof part, MSG_DONTWAIT);
  if (got > 0) unread_.append(part, static_cast<std::size_t>(got));
  closed_ = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
  return !closed_;
}

std::optional<std::string> Line::hear(Duration limit) {
  const Time until = Monotonic::now() + limit;
  std::uint32_t size = 0;
  while (true) {
    if (unread_.size() >= sizeof size) {
      std::memcpy(&size, unread_.data(), sizeof size);
      if (unread_.size() - sizeof size >= size) {
        std::string word = unread_.substr(sizeof size, size);
        unread_.erase(0, sizeof size + size);
        return word;
      }
    }
    const Duration left = std::max(until - Monotonic::now(), Duration::zero());
    pollfd ready{fd_, POLLIN, 0};
    const timespec timeout{left.count() / 1'000'000'000, left.count() % 1'000'000'000};
    const int count = ppoll(&ready, 1, &timeout, nullptr);
    if (count == 0 || (count > 0 && !read_some())) return std::nullopt;
  }
}

Process::Process(const Play& play)
    : pid_(0), line_([&] {
        const auto [pid, end] = start(play);
        pid_ = pid;
        return end;
      }()) {
  all_processes().push_back(this);
}

Process::~Process() {
  std::erase(all_processes(), this);
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

std::string Process::hear(Duration limit) {
  auto word = line_.hear(limit);
  if (!word && line_.closed()) {
    int status = 0;
    if (waitpid(pid_, &status, 0) == pid_) pid_ = 0;
    FAIL("a member is gone, with wait status " << status);
  }
  REQUIRE_MESSAGE(word, "a member said nothing in time");
  REQUIRE_MESSAGE(!word->starts_with(broken), *word);
  return *word;
}

void Process::expect_word(std::string_view word, Duration limit) {
  REQUIRE(hear(limit) == word);
}

void Process::signal(int number) {
  REQUIRE((pid_ > 0 && kill(pid_, number) == 0));
  if (number == SIGSTOP) REQUIRE(waitpid(pid_, nullptr, WUNTRACED) == pid_);
  if (number != SIGKILL) return;
  REQUIRE(waitpid(pid_, nullptr, 0) == pid_);
  pid_ = 0;
}

void Process::expect_end(Duration limit) {
  // The line closes with the process: that is the event to wait for.
  const auto word = line_.hear(limit);
  REQUIRE_MESSAGE(!word, "a member still said: " << *word);
  int status = 0;
  const pid_t ended = waitpid(pid_, &status, WNOHANG);
  if (ended == 0) {
    // Between closing the line and its end there are only moments.
    const Time until = Monotonic::now() + limit;
    while (waitpid(pid_, &status, WNOHANG) == 0) {
      REQUIRE_MESSAGE(Monotonic::now() < until, "a member does not end");
      poll(nullptr, 0, 1);
    }
  }
  pid_ = 0;
  CHECK_MESSAGE((WIFEXITED(status) && WEXITSTATUS(status) == 0), "wait status " << status);
}

void expect(bool condition, std::string_view what) {
  if (!condition) throw std::runtime_error(std::string(what));
}

std::vector<pid_t> running_processes() {
  std::vector<pid_t> pids;
  for (const Process* process : all_processes())
    if (process->pid() > 0) pids.push_back(process->pid());
  return pids;
}

std::string own_host() {
  std::random_device random;
  return fmt::format("127.{}.{}.{}", 1 + random() % 250, 1 + random() % 250, 1 + random() % 250);
}

}  // namespace squall::group_tests
