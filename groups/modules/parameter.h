#pragma once
// What a module's name may bear in parentheses, `batch(16 KiB, 50 us)`: checked where the stack is
// parsed, so that a module gets values of the right kind and size.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"

namespace squall::modules {

/// One of a module's parameters, all of which must be given.
struct Parameter {
  enum class Kind : std::uint8_t {
    bytes,         ///< a size: "16 KiB", "65536"
    microseconds,  ///< a time: "50 us", "1 ms"; a number alone counts microseconds
    number,        ///< a count
    path,          ///< of a file; it can have neither commas nor parentheses
    choice,        ///< one of `choices`
  };
  std::string name;
  Kind kind = Kind::number;
  std::uint64_t least = 0;  ///< of bytes, microseconds and numbers
  std::uint64_t most = std::uint64_t{1} << 40;
  std::vector<std::string_view> choices = {};
  std::string example = {};  ///< a value that is fine, for errors and suggestions
};

struct Argument {
  std::uint64_t number = 0;  ///< of bytes, microseconds and numbers
  std::string text;          ///< in its one spelling: "16 KiB", "50 us"
};

/// One for each of a module's parameters, in their order.
using Arguments = std::vector<Argument>;

/// `text` without the spaces around it. Code::invalid says what was expected; `what` goes on from
/// the parameter's name: is "soon".
Result<Argument> parse_argument(const Parameter& parameter, std::string_view text);

}  // namespace squall::modules
