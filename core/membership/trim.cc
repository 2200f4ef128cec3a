#include "core/membership/trim.h"

#include <fmt/format.h>

#include <algorithm>

namespace squall::membership {

Result<Rounds> trim_of(const std::map<Rank, Frozen>& survivors, Bug bug) {
  if (survivors.empty()) return fail(Code::invalid, "there is no trim without survivors");
  const auto& [first, frozen] = *survivors.begin();
  Rounds trim = frozen.received;
  for (const auto& [rank, other] : survivors) {
    bool alike = trim.size() == other.received.size();
    for (std::size_t channel = 0; alike && channel < trim.size(); ++channel) {
      const std::vector<Round>& held = other.received[channel];
      if (held.empty()) continue;  // it is not in that channel, or nobody sends there
      if (trim[channel].empty()) trim[channel] = held;
      alike = trim[channel].size() == held.size();
      for (std::size_t sender = 0; alike && sender < held.size(); ++sender) {
        Round& least = trim[channel][sender];
        least = bug == Bug::trim_by_maximum ? std::max(least, held[sender])
                                            : std::min(least, held[sender]);
      }
    }
    if (!alike)
      return fail(Code::invalid,
                  fmt::format("ranks {} and {} froze different channels or senders", first, rank),
                  "give every member the same configuration");
  }
  return trim;
}

}  // namespace squall::membership
