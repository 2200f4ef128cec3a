#pragma once
// Protocol    Where this member publishes, it waits until so many bytes have come, or until so long
//             after the first of them; then all that is committed leaves together. Nothing waits
//             that a view change or a leave waits for: what comes over from the view before, and
//             whatever there is once the member is leaving, is published with the next turn.
// Parameters  bytes: how much is enough, with the headers (16 bytes a message);
//             microseconds: the longest wait
// Properties  none of its own. A member's own business: each may wait as it likes.
// Cost        nothing per message; latency, up to that time, for fewer and fuller frames

#include <cstdint>

#include "core/multicast/stage.h"

namespace squall::modules {

class Batch final : public multicast::Gather {
 public:
  Batch(std::uint64_t enough_bytes, Duration longest)
      : enough_bytes_(enough_bytes), longest_(longest) {}

  Time due(std::uint64_t waiting, Time since) const override {
    return waiting >= enough_bytes_ ? since : since + longest_;
  }

 private:
  std::uint64_t enough_bytes_;
  Duration longest_;
};

}  // namespace squall::modules
