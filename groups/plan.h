#pragma once
// What a configuration means, once it is checked.

#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/engine/epoch.h"
#include "core/membership/layout.h"
#include "core/multicast/codec.h"
#include "groups/config.h"

namespace squall {

/// A group: a channel for each of its shards, and who is on them.
struct GroupPlan {
  std::string name;
  std::size_t first = 0;  ///< of its channels
  std::size_t shards = 1;
  membership::Layout layout;
  multicast::Codecs codecs;
  unsigned provides = 0;        ///< modules::Property, of its stack
  std::size_t large_bytes = 0;  ///< of its largest object
};

/// Seats everybody in the view after `before` (nullptr: there was none).
void seat(const std::vector<GroupPlan>& groups, const View* before, View& next);

/// What keeps a group from being where its layout wants it, as of this view; empty: nothing.
std::string missing(const GroupPlan& group, const View& view);

struct Plan {
  std::optional<Rank> self;       ///< among the contacts; always, for those together
  std::vector<GroupPlan> groups;  ///< in the configuration's order
  std::vector<engine::ChannelPlan> channels;
  bool everyone_everywhere = true;  ///< no group has a layout of its own: nobody has to be seated
  /// A line per fact that all members must share, whoever they are: for those who join.
  std::string layout;
  /// The same with the contacts: for those who start together.
  std::string text;
};

/// Code::invalid with the key that is wrong.
Result<Plan> make_plan(const Config& config);

}  // namespace squall
