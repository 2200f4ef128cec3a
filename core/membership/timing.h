#pragma once
// How patient members are with each other. Every member of a group has the same timing: who waits
// less than the others send is wrong about all of them.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/base/time.h"

namespace squall::membership {

/// Numbers the heartbeats of one member in one view, from 1; 0 is none.
using Beat = std::uint64_t;

struct Timing {
  Duration interval = 20ms;  ///< between two heartbeats
  Duration timeout = 200ms;  ///< of silence, until it is evidence

  static constexpr Timing with_timeout(Duration timeout) { return {timeout / 10, timeout}; }

  /// How long contact lasts: a member that has none with a majority stops delivering, and it must
  /// do so before the others may go on without it.
  constexpr Duration contact() const { return 3 * interval; }

  /// How long without a majority until a member stops with an error: by then others have gone on.
  constexpr Duration without_majority() const { return 3 * timeout; }

  /// "heartbeats every 20 ms, suspected after 200 ms of silence, ..."
  std::string text() const;

  friend constexpr bool operator==(const Timing&, const Timing&) = default;
};

/// One rack, or one machine under load: the default.
inline constexpr Timing fast = Timing::with_timeout(200ms);
/// Where pauses of a second happen: swapping, live migration, far networks.
inline constexpr Timing safe = Timing::with_timeout(2s);

/// By its name in a configuration, "fast" or "safe".
std::optional<Timing> preset(std::string_view name);

/// The longest timeout; longer ones are mistaken units.
inline constexpr Duration longest_timeout = 1h;

/// Code::invalid with what would be right.
Result<> check(const Timing& timing);

}  // namespace squall::membership
