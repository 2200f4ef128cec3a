#pragma once
// The words of a command, and what they mean.

#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/time.h"

namespace squall::scenarios {

/// Separated by spaces; what stands in double quotes is one word, or part of one.
std::vector<std::string> words_of(std::string_view command);
/// "5ms", "-1.5s", "20us", "0s".
Result<Duration> duration(std::string_view word);
Result<std::uint64_t> number(std::string_view word);

}  // namespace squall::scenarios
