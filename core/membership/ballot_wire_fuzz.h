#pragma once
// What the fuzzer and a unit test do with hostile bytes: whatever is taken for a ballot message has
// one wire form, which is the one that it came in.

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/bytes.h"
#include "core/membership/ballot_wire.h"

namespace squall::membership {

/// Whether it was a message; for tests that want to know that some were.
inline bool fuzz_ballot_wire(Bytes input) {
  const auto message = decode_message(input);
  if (!message) return false;
  const auto again = encode(*message);
  SQUALL_ASSERT(std::ranges::equal(again, input), "a message has one wire form");
  return true;
}

}  // namespace squall::membership
