#pragma once
// Views as lines for people, without their ends. Pure.

#include <string>

#include "core/base/view.h"
#include "groups/node.h"

namespace squall::bench {

/// "view 3: a, b, c".
std::string shown(const View& view);
/// The same with who came, and who is gone on what evidence: "view 4: a, c; came: c; gone: b: ...".
std::string shown(const ViewChange& change);

}  // namespace squall::bench
