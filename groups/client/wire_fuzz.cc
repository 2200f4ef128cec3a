#include "groups/client/wire_fuzz.h"

#include <cstddef>
#include <cstdint>
#include <span>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  squall::clients::fuzz_client_wire(std::as_bytes(std::span(data, size)));
  return 0;
}
