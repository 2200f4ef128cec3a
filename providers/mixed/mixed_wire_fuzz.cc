// Hostile addresses and headers: whatever is taken for one has one wire form.
#include <algorithm>

#include "core/base/assert.h"
#include "core/base/bytes.h"
#include "providers/mixed/mixed_address.h"
#include "providers/mixed/mixed_message.h"

namespace squall::mixed {
namespace {

void fuzz(Bytes input) {
  if (const auto address = decode_address(as_text(input)))
    SQUALL_ASSERT(encode(*address) == as_text(input), "an address has one wire form");
  if (const auto header = decode_header(input))
    SQUALL_ASSERT(std::ranges::equal(*encode(*header, input.subspan(Header::wire_bytes)), input),
                  "a message has one wire form");
}

}  // namespace
}  // namespace squall::mixed

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  squall::mixed::fuzz(std::as_bytes(std::span(data, size)));
  return 0;
}
