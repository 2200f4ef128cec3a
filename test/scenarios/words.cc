#include "test/scenarios/words.h"

#include <fmt/format.h>

#include <charconv>

namespace squall::scenarios {

std::vector<std::string> words_of(std::string_view command) {
  std::vector<std::string> words;
  bool quoted = false, open = false;
  for (const char c : command) {
    if (c == ' ' && !quoted) {
      open = false;
      continue;
    }
    if (!open) words.emplace_back();
    open = true;
    if (c == '"')
      quoted = !quoted;
    else
      words.back() += c;
  }
  return words;
}

Result<Duration> duration(std::string_view word) {
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  const std::string_view unit = word.substr(static_cast<std::size_t>(end - word.data()));
  const double ns = unit == "s" ? 1e9 : unit == "ms" ? 1e6 : unit == "us" ? 1e3 : 0;
  if (error != std::errc{} || ns == 0)
    return fail(Code::invalid, fmt::format("'{}' is no time", word), "such as 5ms, 1.5s, 20us");
  return Duration(static_cast<Duration::rep>(value * ns));
}

Result<std::uint64_t> number(std::string_view word) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc{} || end != word.data() + word.size())
    return fail(Code::invalid, fmt::format("'{}' is no number", word));
  return value;
}

}  // namespace squall::scenarios
