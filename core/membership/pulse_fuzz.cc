#include "core/membership/pulse_fuzz.h"

#include <cstddef>
#include <cstdint>
#include <span>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  squall::membership::fuzz_pulse(std::as_bytes(std::span(data, size)));
  return 0;
}
