#pragma once
// The real tool, as people run it: for tests. Its standard input is in the test's hand, its
// standard output and error come back together. It dies with its Tool object, and with the test.
// Every wait has a limit, which fails the test. One thread at a time.

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.h"

namespace squall::bench {

/// For anything that must happen at all, under whatever load.
inline constexpr Duration tool_patience = std::chrono::seconds(60);

class Tool {
 public:
  /// `words` without the program's name.
  explicit Tool(const std::vector<std::string>& words);
  ~Tool();
  Tool(const Tool&) = delete;
  Tool& operator=(const Tool&) = delete;

  pid_t pid() const { return pid_; }
  /// All that it has said so far, as far as it was waited for.
  const std::string& output() const { return output_; }

  void type(std::string_view text);
  void end_input();
  void signal(int number);
  /// Waits for a line with this in it, after those that were waited for before; gives the line.
  std::string expect(std::string_view text);
  /// Its exit status, or 128 and more for a signal.
  int wait();

 private:
  /// False at the end of what it says.
  bool read_some(Time deadline);

  pid_t pid_ = -1;
  int input_fd_ = -1;
  int output_fd_ = -1;
  std::string output_;
  std::size_t expected_ = 0;  // in output_: where the next line begins
};

/// An address of this host that was free just now: "127.0.0.1:PORT".
std::string free_address();

}  // namespace squall::bench
