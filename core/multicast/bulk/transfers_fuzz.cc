#include "core/multicast/bulk/transfers_fuzz.h"

#include <cstddef>
#include <cstdint>
#include <span>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  squall::multicast::bulk::fuzz_transfers(std::as_bytes(std::span(data, size)));
  return 0;
}
