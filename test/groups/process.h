#pragma once
// A process of its own, forked from the test while that has no thread and no fabric open, and the
// line between the two: whole words of any length, each way. Every wait has a limit. The process
// dies with its Process object, and with the test.

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.h"

namespace squall::group_tests {

/// How long anything may take that has no bound of its own: far more than it needs.
inline constexpr Duration patience = std::chrono::seconds(60);
/// The test waits longer than its members do, so that it hears why they gave up.
inline constexpr Duration longest_patience = 2 * patience;

class Line {
 public:
  explicit Line(int fd) : fd_(fd) {}
  ~Line();
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  void say(std::string_view word);
  /// The next word; none if it does not come in time, or the other end is gone.
  std::optional<std::string> hear(Duration limit);
  void close_end();
  /// The other end is gone.
  bool closed() const { return closed_; }

 private:
  /// False once nothing more comes.
  bool read_some();

  int fd_;
  std::string unread_;
  bool closed_ = false;
};

class Process {
 public:
  /// What the process does; what it throws reaches the test as a word that fails it.
  using Play = std::function<void(Line&)>;
  explicit Process(const Play& play);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void say(std::string_view word) { line_.say(word); }
  /// The next word. Fails the test if it does not come, or if the process broke.
  std::string hear(Duration limit = longest_patience);
  /// The next word, if it comes within that time.
  std::optional<std::string> hear_soon(Duration limit) { return line_.hear(limit); }
  /// The next word, which must be this one.
  void expect_word(std::string_view word, Duration limit = longest_patience);
  /// What it has said and nobody has heard, also that it broke; never fails, and waits for nothing
  /// longer than that.
  std::optional<std::string> overhear(Duration limit) { return line_.hear(limit); }
  pid_t pid() const { return pid_; }
  /// SIGKILL and SIGSTOP have taken effect on return.
  void signal(int number);
  /// Its end, which must be in good order.
  void expect_end(Duration limit = longest_patience);

 private:
  pid_t pid_;
  Line line_;
};

/// Those that have not ended, as far as this test knows.
std::vector<pid_t> running_processes();

/// An address of this test's own, on which nobody else has the ports. (In a sandbox the number of
/// the process is no such thing.)
std::string own_host();

/// For a process's side, where doctest cannot be used.
void expect(bool condition, std::string_view what);

}  // namespace squall::group_tests
