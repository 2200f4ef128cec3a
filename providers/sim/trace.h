#pragma once
// What happened, in order, as lines of text: "<nanoseconds> <what>". Two runs are the same run
// if and only if their hashes are equal.

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/time.h"

namespace squall::sim {

class Trace {
 public:
  explicit Trace(bool keep) : keep_(keep) {}

  template <class... Args>
  void add(Time now, fmt::format_string<Args...> format, Args&&... args) {
    line_.clear();
    fmt::format_to(std::back_inserter(line_), "{} ", now.time_since_epoch().count());
    fmt::format_to(std::back_inserter(line_), format, std::forward<Args>(args)...);
    line_.push_back('\n');
    add_line({line_.data(), line_.size()});
  }

  std::uint64_t hash() const { return hash_; }
  std::string_view text() const { return text_; }

 private:
  void add_line(std::string_view line);

  bool keep_;
  fmt::memory_buffer line_;
  std::uint64_t hash_ = 0;
  std::string text_;
};

/// Of a payload, for a line of the trace.
std::uint64_t digest(Bytes bytes);

}  // namespace squall::sim
