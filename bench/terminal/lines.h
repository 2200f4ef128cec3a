#pragma once
// What was typed, line by line. Keeps at most one line's worth of bytes beside what was just read,
// however long a line becomes. Pure; one thread at a time.

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>

namespace squall::terminal {

class Lines {
 public:
  struct Line {
    std::string text;  ///< without its end; nothing if it is too long
    std::size_t bytes = 0;
    bool too_long = false;
  };

  explicit Lines(std::size_t most_bytes) : most_bytes_(most_bytes) {}

  void read(std::string_view bytes);
  /// What has no end yet is a line too.
  void end();

  bool empty() const { return lines_.empty(); }
  const Line& front() const { return lines_.front(); }
  void pop() { lines_.pop_front(); }
  void clear() { lines_.clear(); }

 private:
  void finish();

  std::size_t most_bytes_;
  Line open_;
  std::deque<Line> lines_;
};

}  // namespace squall::terminal
