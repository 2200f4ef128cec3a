#pragma once
// Views and deliveries as lines for people, without their ends. Pure.

#include <string>
#include <string_view>

#include "core/base/view.h"
#include "groups/node.h"

namespace squall::terminal {

/// "view 3: a, b, c".
std::string shown(const View& view);
/// The same with who came, and who is gone on what evidence: "view 4: a, c; came: c; gone: b: ...".
std::string shown(const ViewChange& change);
/// "a#7: text"; control characters as escapes.
std::string shown(std::string_view sender, const Delivery& message);

}  // namespace squall::terminal
