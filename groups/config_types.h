#pragma once
// What keys of a configuration take: each type says what it expects, reads what was given, and
// prints a value as TOML, which it reads back; nothing if the value says that the key is not set.
// Pure.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/time.h"
#include "groups/config.h"
#include "groups/config_given.h"

namespace squall {

/// Text that fits.
struct TextType {
  std::string_view what;
  bool (*fits)(std::string_view);
  std::string_view remedy = {};

  std::string expected() const { return std::string(what); }
  Fit<std::string> read(const Given& given) const;
  std::string print(const std::string& text) const { return text.empty() ? "" : in_quotes(text); }
};

/// What the catalog of fabrics knows. Whether this host has it, it says when it is opened.
struct ProviderType {
  std::string expected() const {
    return "\"auto\", \"shm\", \"tcp\", \"verbs\", \"ofi:NAME\" or a mix like \"shm+tcp\"";
  }
  Fit<std::string> read(const Given& given) const;
  std::string print(const std::string& text) const { return text.empty() ? "" : in_quotes(text); }
};

/// An integer within bounds.
struct NumberType {
  std::int64_t least;
  std::int64_t most;

  std::string expected() const { return fmt::format("an integer of {} to {}", least, most); }
  Fit<std::int64_t> read(const Given& given) const;
  /// Below the least: not set.
  std::string print(std::size_t number) const {
    return std::cmp_less(number, least) ? "" : std::to_string(number);
  }
};

/// An integer of milliseconds, up to an hour.
struct MillisecondsType {
  std::int64_t least;

  std::string expected() const;
  Fit<Duration> read(const Given& given) const;
  std::string print(Duration time) const;
};

/// The same, or the name of a preset (core/membership/timing.h).
struct FailureTimeoutType {
  std::string expected() const;
  Fit<Duration> read(const Given& given) const;
  std::string print(Duration time) const;
};

/// Bytes: a power of two, with a unit or without.
struct SizeType {
  std::size_t least;
  std::size_t most;

  std::string expected() const;
  Fit<std::size_t> read(const Given& given) const;
  std::string print(std::size_t bytes) const;
};

/// Names, each once.
struct NamesType {
  std::string_view what;
  std::string_view if_empty;  ///< the remedy for a list of nobody

  std::string expected() const { return fmt::format("an array of {}", what); }
  Fit<std::vector<std::string>> read(const Given& given) const;
  std::string print(const std::vector<std::string>& names) const;
};

/// "name@host:port", each name and each address once.
struct ContactsType {
  std::string expected() const { return "an array of \"name@host:port\", in rank order"; }
  Fit<std::vector<Contact>> read(const Given& given) const;
  std::string print(const std::vector<Contact>& contacts) const;
};

/// One of some words.
template <class T>
struct ChoiceType {
  std::vector<std::pair<std::string, T>> words;

  std::string expected() const {
    std::string text;
    for (std::size_t i = 0; i < words.size(); ++i)
      text += fmt::format("{}\"{}\"",
                          i == 0                  ? ""
                          : i + 1 == words.size() ? " or "
                                                  : ", ",
                          words[i].first);
    return text;
  }
  Fit<T> read(const Given& given) const {
    const auto text = given.as_text();
    if (!text) return misfit(given);
    std::vector<std::string> known;
    for (const auto& [word, value] : words) {
      if (*text == word) return value;
      known.push_back(word);
    }
    return misfit(given, {}, did_you_mean(*text, known));
  }
  std::string print(const T& wanted) const {
    for (const auto& [word, value] : words)
      if (value == wanted) return in_quotes(word);
    return {};
  }
};

}  // namespace squall
