#pragma once
// Environment variables to settings: from a name to its key and group. Pure.

#include <string>
#include <vector>

#include "core/base/error.h"
#include "groups/config_setting.h"

namespace squall {

/// The variables are "NAME=value"; those that are no SQUALL_... are left alone. May add to `groups`
/// where they are open. Code::invalid with the variable's name.
Result<std::vector<Setting>> environment_settings(std::vector<std::string> variables,
                                                  GroupNames& groups);

}  // namespace squall
