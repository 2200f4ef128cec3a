// Hostile statuses: whatever is taken for one has one wire form, which is the one that it came in.
#include <algorithm>

#include "bench/replicate/status.h"
#include "core/base/assert.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const squall::Bytes input = std::as_bytes(std::span(data, size));
  if (const auto status = squall::replicate::decode_status(input))
    SQUALL_ASSERT(std::ranges::equal(squall::replicate::encode_status(*status), input),
                  "a status has one wire form");
  return 0;
}
