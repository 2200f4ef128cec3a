#pragma once
// What the fuzzer and a unit test do with hostile bytes: whatever is taken for a pulse says again
// exactly what was read, so nothing was invented, cut or left over.

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/bytes.h"
#include "core/membership/pulse.h"

namespace squall::membership {

/// Whether it was taken; for tests that want to know that some were.
inline bool fuzz_pulse(Bytes input) {
  const auto pulse = decode_pulse(input);
  if (!pulse) {
    SQUALL_ASSERT(!pulse.error().what.empty(), "a refusal says why");
    return false;
  }
  Writer writer;
  encode(writer, *pulse);
  SQUALL_ASSERT(std::ranges::equal(writer.bytes(), input), "a pulse has one encoding");
  return true;
}

}  // namespace squall::membership
