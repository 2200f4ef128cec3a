#pragma once
// What a configuration means, once it is checked.

#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/engine/epoch.h"
#include "groups/config.h"

namespace squall {

struct Plan {
  std::optional<Rank> self;                   ///< among the contacts; always, for those together
  std::vector<engine::ChannelPlan> channels;  ///< in the configuration's order
  /// A line per fact that all members must share, whoever they are: for those who join.
  std::string layout;
  /// The same with the contacts: for those who start together.
  std::string text;
};

/// Code::invalid with the key that is wrong.
Result<Plan> make_plan(const Config& config);

}  // namespace squall
