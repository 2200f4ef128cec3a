#include "core/mirror/ring_reader_fuzz.h"

#include <cstddef>
#include <cstdint>
#include <span>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  squall::mirror::fuzz_ring_reader(std::as_bytes(std::span(data, size)));
  return 0;
}
