#include "groups/config_given.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "core/base/nearest.h"

namespace squall {
namespace {

/// Longer values are not shown whole.
constexpr std::size_t max_shown_bytes = 100;

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\n") - begin + 1);
}

}  // namespace

std::optional<std::string_view> Given::as_text() const {
  if (kind == Kind::text || kind == Kind::bare) return text;
  return std::nullopt;
}

std::optional<std::int64_t> Given::as_integer() const {
  if (kind == Kind::integer) return integer;
  if (kind != Kind::bare) return std::nullopt;
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stopped != end) return std::nullopt;
  return number;
}

std::optional<std::vector<Given>> Given::as_list() const {
  if (kind == Kind::list) return elements;
  if (kind != Kind::bare) return std::nullopt;
  std::vector<Given> pieces;
  if (trimmed(text).empty()) return pieces;
  std::size_t begin = 0;
  for (;;) {
    const auto comma = std::min(text.find(',', begin), text.size());
    pieces.push_back({.text = std::string(trimmed(text.substr(begin, comma - begin)))});
    if (comma == text.size()) return pieces;
    begin = comma + 1;
  }
}

std::string Given::shown() const {
  switch (kind) {
    case Kind::integer:
      return std::to_string(integer);
    case Kind::list:
      return elements.empty() ? "empty" : "an array";
    case Kind::other:
      return text;
    default:
      break;
  }
  if (text.empty()) return "empty";
  if (text.size() <= max_shown_bytes) return in_quotes(text);
  return fmt::format("{} and so on, {} bytes", in_quotes(text.substr(0, max_shown_bytes)),
                     text.size());
}

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      out += {'\\', c};
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    else
      out += c;
  }
  return out + '"';
}

std::string clipped(std::string_view word) {
  if (word.size() <= max_shown_bytes) return std::string(word);
  return fmt::format("{}... ({} bytes)", word.substr(0, max_shown_bytes), word.size());
}

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80             ? 1
                               : (lead & 0xe0) == 0xc0 ? 2
                               : (lead & 0xf0) == 0xe0 ? 3
                               : (lead & 0xf8) == 0xf0 ? 4
                                                       : 0;
    if (length == 0 || i + length > text.size()) return false;
    std::uint32_t point = length == 1 ? lead : lead & (0x7fu >> length);
    for (std::size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xc0) != 0x80) return false;
      point = point << 6 | (next & 0x3fu);
    }
    // Overlong, a surrogate, or beyond Unicode.
    constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (point < least[length] || (point >= 0xd800 && point < 0xe000) || point > 0x10ffff)
      return false;
    i += length;
  }
  return true;
}

std::string did_you_mean(std::string_view wrong, const std::vector<std::string>& known) {
  const std::vector<std::string_view> words(known.begin(), known.end());
  const std::string_view near = nearest(wrong, words);
  return near.empty() ? "" : fmt::format("did you mean '{}'?", near);
}

std::string suggestion(std::string_view wrong, const std::vector<std::string>& known) {
  const std::string guess = did_you_mean(wrong, known);
  return fmt::format("{}{}known here: {}", guess, guess.empty() ? "" : " ", fmt::join(known, ", "));
}

}  // namespace squall
