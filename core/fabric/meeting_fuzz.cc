#include "core/fabric/meeting_fuzz.h"

#include <cstddef>
#include <cstdint>

#include "core/base/bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  squall::fabric::fuzz_meeting(std::as_bytes(std::span(data, size)));
  return 0;
}
