#pragma once
// A channel of every view, and what becomes of it in one: who is in it, and who of them sends.

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "core/base/ids.h"
#include "core/base/view.h"
#include "core/multicast/bulk/transfers.h"
#include "core/multicast/channel.h"
#include "core/multicast/codec.h"

namespace squall::engine {

struct ChannelPlan {
  std::string name;
  std::vector<NodeId> senders;  ///< in this order; those that are not in a view do not send in it
  bool everyone_sends = false;  ///< all its members instead, in their order
  std::size_t ring_bytes = 0;
  multicast::StageFactory factory;
  multicast::Codecs codecs = {};        ///< what its senders encode with, in the stack's order
  multicast::bulk::Settings bulk = {};  ///< of large objects
  std::size_t large_bytes = 0;  ///< memory for those sent, and as much for those that come; 0: none
  /// Channels of one number share a member's outgoing ring, and it is in one of them at a time: the
  /// shards of a group. Empty: the channel's own.
  std::optional<std::size_t> ring = {};

  bool sends(NodeId node) const;
};

/// A channel in a view, as one of the view's members sees it.
struct Place {
  std::vector<Rank> members;  ///< ranks in the view, in the channel's own order
  std::optional<Rank> self;   ///< this member's place among them, if it is in the channel
  std::vector<Rank> senders;  ///< places among them
  /// Nobody was in it before this view: there is nothing to be known of its past.
  bool fresh = false;

  bool has(Rank in_view) const;
};

/// `channel`: the index of `plan`.
Place place_in(const View& view, std::size_t channel, const ChannelPlan& plan, Rank self);

}  // namespace squall::engine
