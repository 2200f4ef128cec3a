#pragma once
// Deliveries as lines for people, without their ends. Pure.

#include <string>
#include <string_view>

#include "groups/node.h"

namespace squall::terminal {

/// "a#7: text"; control characters as escapes.
std::string shown(std::string_view sender, const Delivery& message);

}  // namespace squall::terminal
