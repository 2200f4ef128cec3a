#pragma once
// The heartbeat as a message. One goes from each member of a view to every other each interval,
// and at once when there is something to say; over a connection that a fence does not cut, so that
// members that accuse each other still hear it.

#include <cstddef>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/base/rank_set.h"
#include "core/membership/timing.h"

namespace squall::membership {

struct Pulse {
  ViewId view{};
  Beat beat = 0;      ///< the sender's counter
  Beat echo = 0;      ///< the newest beat of the receiver that the sender has heard
  RankSet suspects;   ///< the sender's, in this view
  RankSet spreading;  ///< those of them that were first accused by a rank before them: everybody
                      ///< takes these over, so who passes them on takes no side
  bool isolated = false;  ///< I lack contact with a majority
  bool answer = false;    ///< send me a pulse at once
  bool leaving = false;   ///< I ask to leave
  bool arriving = false;  ///< I have joined, and not all of the state yet
  bool closing = false;   ///< I know how this view ends, and deliver the rest of it

  friend bool operator==(const Pulse&, const Pulse&) = default;
};

inline constexpr std::size_t pulse_bytes = 3 * 8 + 2 * max_members / 8 + 1;

/// Appends exactly `pulse_bytes`.
void encode(Writer& writer, const Pulse& pulse);

/// Code::lost unless `bytes` are exactly one well-formed pulse. Ranks are below max_members;
/// whether they are in the view is for who knows the view.
Result<Pulse> decode_pulse(Bytes bytes);

}  // namespace squall::membership
