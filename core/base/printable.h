#pragma once
// What others chose, made fit to be shown. Pure.

#include <string>
#include <string_view>

namespace squall {

/// Control characters as escapes, so that a name or a message cannot write on a terminal.
std::string printable(std::string_view text);

}  // namespace squall
