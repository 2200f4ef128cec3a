#pragma once
// What happened, in order, as lines of text: "<nanoseconds> <what>". Two runs are the same run
// if and only if their hashes are equal, which are those of the values, whether or not the text is
// kept.

#include <fmt/format.h>

#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/time.h"

namespace squall::sim {

class Trace {
 public:
  explicit Trace(bool keep) : keep_(keep) {}

  template <class... Args>
  void add(Time now, fmt::format_string<Args...> format, Args&&... args) {
    // The text is for people, and dear; the values are what two runs are compared by.
    values_.clear();
    put(now.time_since_epoch().count());
    const fmt::string_view form = format;
    put(std::string_view(form.data(), form.size()));
    (put(args), ...);
    add_values();
    if (!keep_) return;
    fmt::format_to(std::back_inserter(text_), "{} ", now.time_since_epoch().count());
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
    text_.push_back('\n');
  }

  std::uint64_t hash() const { return hash_; }
  std::string_view text() const { return text_; }

 private:
  template <class Value>
  void put(const Value& value) {
    if constexpr (std::is_convertible_v<const Value&, std::string_view>) {
      const std::string_view text = value;
      put(text.size());
      values_.append(text.data(), text.data() + text.size());
    } else {
      static_assert(std::is_integral_v<Value>, "numbers and text only");
      const auto number = static_cast<std::uint64_t>(value);
      const auto* bytes = reinterpret_cast<const char*>(&number);
      values_.append(bytes, bytes + sizeof(number));
    }
  }
  void add_values();

  bool keep_;
  fmt::memory_buffer values_;
  std::uint64_t hash_ = 0;
  std::string text_;
};

/// Of a payload, for a line of the trace.
std::uint64_t digest(Bytes bytes);

}  // namespace squall::sim
