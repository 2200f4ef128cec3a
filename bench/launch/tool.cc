#include "bench/launch/tool.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <exception>
#include <filesystem>

#include "bench/process/die_with.h"

namespace squall::bench {
namespace {

bool readable(int fd, int timeout_ms) {
  pollfd ready{fd, POLLIN, 0};
  return poll(&ready, 1, timeout_ms) > 0;
}

}  // namespace

Tool::Tool(const std::vector<std::string>& words) {
  static const std::string program = std::filesystem::absolute("bench/squall");
  std::array<int, 2> input{};
  std::array<int, 2> output{};
  REQUIRE(pipe2(input.data(), O_CLOEXEC) == 0);
  REQUIRE(pipe2(output.data(), O_CLOEXEC) == 0);
  std::vector<std::string> owned{"squall"};
  owned.insert(owned.end(), words.begin(), words.end());
  std::vector<char*> arguments;
  for (std::string& word : owned) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const pid_t parent = getpid();
  pid_ = fork();
  REQUIRE(pid_ >= 0);
  if (pid_ == 0) {
    if (!die_with(parent)) _exit(127);
    dup2(input[0], STDIN_FILENO);
    dup2(output[1], STDOUT_FILENO);
    dup2(output[1], STDERR_FILENO);
    execv(program.c_str(), arguments.data());
    _exit(126);
  }
  close(input[0]);
  close(output[1]);
  input_fd_ = input[1];
  output_fd_ = output[0];
}

Tool::~Tool() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    // Of a test that has failed one wants to know what all of them said.
    if (std::uncaught_exceptions() > 0) {
      while (readable(output_fd_, 0) && read_some(never)) {
      }
      MESSAGE(output_);
    }
  }
  end_input();
  close(output_fd_);
}

void Tool::type(std::string_view text) {
  REQUIRE(write(input_fd_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
}

void Tool::end_input() {
  if (input_fd_ >= 0) close(input_fd_);
  input_fd_ = -1;
}

void Tool::signal(int number) {
  kill(pid_, number);
}

bool Tool::read_some(Time deadline) {
  while (!readable(output_fd_, 100))
    REQUIRE_MESSAGE(Monotonic::now() < deadline, "squall hangs; it said: " << output_);
  std::array<char, 4096> piece;
  const ssize_t got = read(output_fd_, piece.data(), piece.size());
  if (got <= 0) return false;
  output_.append(piece.data(), static_cast<std::size_t>(got));
  return true;
}

std::string Tool::expect(std::string_view text) {
  const Time deadline = Monotonic::now() + tool_patience;
  for (;;) {
    for (auto end = output_.find('\n', expected_); end != std::string::npos;
         end = output_.find('\n', expected_)) {
      std::string line = output_.substr(expected_, end - expected_);
      expected_ = end + 1;
      if (line.find(text) != std::string::npos) return line;
    }
    REQUIRE_MESSAGE(read_some(deadline), "squall never said '" << text << "', but: " << output_);
  }
}

int Tool::wait() {
  const Time deadline = Monotonic::now() + tool_patience;
  while (read_some(deadline)) {
  }
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string free_address() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  REQUIRE(bind(fd, reinterpret_cast<sockaddr*>(&address), length) == 0);
  REQUIRE(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0);
  close(fd);
  return fmt::format("127.0.0.1:{}", ntohs(address.sin_port));
}

}  // namespace squall::bench
