#pragma once
// What the fuzzer and a unit test do with hostile bytes: the first byte chooses who hears them
// (one who was called, one who calls), the second into how many pieces they are cut.

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/bytes.h"
#include "core/fabric/meeting.h"

namespace squall::fabric {

inline void fuzz_meeting(Bytes input) {
  if (input.size() < 2) return;
  const bool calls = std::to_integer<int>(input[0]) % 2 == 1;
  const std::size_t piece = 1 + std::to_integer<std::size_t>(input[1]);
  input = input.subspan(2);
  Introduction self;
  self.name = calls ? "b" : "a";
  self.id = node_id(self.name);
  auto meeting = Meeting::create({{"a", "a:1"}, {"b", "b:1"}}, self, [] { return Nonce{}; });
  SQUALL_ASSERT(meeting.has_value(), "the fuzzer's own meeting is right");
  Time now{};
  LineId line = 1;
  if (calls) {
    meeting->tick(now);
    meeting->connected(line, now);
  } else {
    line = meeting->accepted(now, "fuzz");
  }
  while (!input.empty()) {
    const Bytes part = input.first(std::min(piece, input.size()));
    input = input.subspan(part.size());
    meeting->received(line, part, now);
    static_cast<void>(meeting->take_actions());
    static_cast<void>(meeting->take_events());
  }
  now += Limits::handshake;
  meeting->tick(now);
  static_cast<void>(meeting->missing());
  meeting->leave("done");
}

}  // namespace squall::fabric
