#pragma once
// Identifiers. 64 bits and never reused, also across restarts; ranks are positions in one
// view and mean nothing outside it.

#include <cstdint>

namespace squall {

/// A member for good: a hash of its configured name.
enum class NodeId : std::uint64_t {};

/// One run of a member; grows with every start (wall clock in nanoseconds at start).
enum class Incarnation : std::uint64_t {};

/// Views of one group, strictly increasing.
enum class ViewId : std::uint64_t {};

/// A member's position in one view, from 0.
using Rank = std::uint32_t;

/// Counts a sender's slots in one view, skips included: what total order walks.
using Round = std::uint64_t;

/// Counts one sender's messages; goes on across views.
using MessageNumber = std::uint64_t;

template <class Id>
constexpr auto raw(Id id) {
  return static_cast<std::uint64_t>(id);
}

}  // namespace squall
