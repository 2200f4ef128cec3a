#pragma once
// A value as it was given, before a key says what it must be: in a file with TOML's kind, in a
// variable or a flag as bare text. Pure.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

namespace squall {

struct Given {
  enum class Kind : std::uint8_t {
    text,
    integer,
    list,
    other,  ///< whatever else TOML has: `text` says what
    bare,   ///< of a variable or a flag: text, integer or list, as the key would have it
  };
  Kind kind = Kind::bare;
  std::string text = {};
  std::int64_t integer = 0;
  std::vector<Given> elements = {};
  std::size_t line = 0;  ///< in the file; 0: in none

  std::optional<std::string_view> as_text() const;
  std::optional<std::int64_t> as_integer() const;
  /// Of bare text: what stands between the commas, without the blanks around it; nothing if empty.
  std::optional<std::vector<Given>> as_list() const;
  /// For errors: "\"x\"", "7", "empty", "an array".
  std::string shown() const;
};

/// Why a value cannot be that of its key.
struct Misfit {
  std::size_t line = 0;     ///< in the file
  std::string what = {};    ///< empty: it is simply not what was expected
  std::string remedy = {};  ///< may be empty
};

template <class T>
using Fit = tl::expected<T, Misfit>;

inline tl::unexpected<Misfit> misfit(const Given& given, std::string what = {},
                                     std::string remedy = {}) {
  return tl::unexpected(Misfit{given.line, std::move(what), std::move(remedy)});
}

/// As a TOML string; what cannot be seen is escaped.
std::string in_quotes(std::string_view text);

/// For errors: a word that somebody wrote, the end of a long one left out.
std::string clipped(std::string_view word);

bool is_utf8(std::string_view text);

/// "did you mean 'x'?" if something is near enough, else nothing.
std::string did_you_mean(std::string_view wrong, const std::vector<std::string>& known);

/// The same, and what is known in any case.
std::string suggestion(std::string_view wrong, const std::vector<std::string>& known);

}  // namespace squall
