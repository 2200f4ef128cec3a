#include "core/membership/trim.h"

#include <fmt/format.h>

#include <algorithm>

namespace squall::membership {

Result<Rounds> trim_of(const std::map<Rank, Frozen>& survivors, Bug bug) {
  if (survivors.empty()) return fail(Code::invalid, "there is no trim without survivors");
  const auto& [first, frozen] = *survivors.begin();
  Rounds trim = frozen.received;
  for (const auto& [rank, other] : survivors) {
    if (!same_shape(trim, other.received))
      return fail(Code::invalid,
                  fmt::format("ranks {} and {} froze different channels or senders", first, rank),
                  "give every member the same configuration");
    for (std::size_t channel = 0; channel < trim.size(); ++channel)
      for (std::size_t sender = 0; sender < trim[channel].size(); ++sender) {
        Round& least = trim[channel][sender];
        const Round held = other.received[channel][sender];
        least = bug == Bug::trim_by_maximum ? std::max(least, held) : std::min(least, held);
      }
  }
  return trim;
}

}  // namespace squall::membership
