#pragma once
// Which lists of modules are stacks, and which stack is nearest to a list that is none. Private to
// groups/stack.

#include <optional>
#include <string>
#include <vector>

#include "groups/modules/module.h"

namespace squall {

using ModuleList = std::vector<const modules::Module*>;

/// What is wrong with a list of modules; nothing if it fits.
std::optional<std::string> misfit(const ModuleList& list);

/// A stack that fits, with as little changed as can be: in quadratic time, however many modules
/// there are. Where all that is wanted fits in another sequence, it is that.
ModuleList nearest_fitting(const ModuleList& wanted);

}  // namespace squall
