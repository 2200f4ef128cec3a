#pragma once
// A group's state, as its application hands it to those who join and takes it from those who were
// there.

#include <cstddef>
#include <functional>

#include "core/base/bytes.h"
#include "core/base/error.h"

namespace squall::engine {

/// Fills the span from its beginning with the next bytes of one state and returns how many; 0: that
/// was all; Code::would_block: it is asked again with the next turn. It may be called, and dropped,
/// long after it was made, in between deliveries.
using StateSource = std::function<Result<std::size_t>(MutableBytes)>;

struct StateHooks {
  /// At a member, once for each who joins, between the last delivery of the old view and the upcall
  /// of the new one: the state as of now, whatever is delivered while it is read. Members whose
  /// states are equal should give equal bytes: only then another member can go on where one died.
  std::function<StateSource()> save{};
  /// At a joiner, before any delivery: the bytes of a member's `save` in order, in pieces; `last`
  /// with the last of them, which may be empty. An error stops this node.
  std::function<Result<>(Bytes piece, bool last)> load{};
};

}  // namespace squall::engine
