#include "core/membership/admission_wire_fuzz.h"

#include <cstddef>
#include <cstdint>
#include <span>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  squall::membership::fuzz_admission_wire(std::as_bytes(std::span(data, size)));
  return 0;
}
