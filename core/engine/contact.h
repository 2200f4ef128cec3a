#pragma once
// How to reach a member of the view, and what both ends of a connection know.

#include <string>

#include "core/base/ids.h"
#include "core/fabric/fabric.h"

namespace squall::engine {

struct Contact {
  std::string fabric_address{};
  /// The pair's secret, from which the tickets of its connections are derived.
  fabric::Ticket ticket{};
  std::string host{};  ///< equal for members of one host; for who counts them
};

/// What a connection of a pair is for.
enum class Purpose : std::uint8_t { control = 1, mirrors = 2 };

/// Different for every purpose and view, so that no connection of an earlier one is taken for it.
fabric::Ticket ticket_for(const Contact& contact, Purpose purpose, ViewId view);

}  // namespace squall::engine
