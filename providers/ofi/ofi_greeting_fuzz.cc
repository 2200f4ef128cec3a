// Hostile greetings, and addresses that a peer claims.
#include <cstring>

#include "core/base/assert.h"
#include "core/base/bytes.h"
#include "providers/ofi/ofi_greeting.h"

namespace squall::ofi {
namespace {

void fuzz_stranger(Bytes input) {
  if (const auto greeting = read_greeting(input))
    SQUALL_ASSERT(std::memcmp(&*greeting, input.data(), sizeof *greeting) == 0,
                  "a greeting is what came");
  if (const auto address = parse_address(as_text(input)))
    SQUALL_ASSERT(address->ss_family == AF_INET || address->ss_family == AF_INET6,
                  "an address is one of the two kinds");
}

}  // namespace
}  // namespace squall::ofi

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  squall::ofi::fuzz_stranger(std::as_bytes(std::span(data, size)));
  return 0;
}
