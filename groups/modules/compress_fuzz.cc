// Hostile bytes from a peer where compressed ones are expected: each is a message within the limit,
// or refused; and whatever is a message comes back when it is encoded.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/base/assert.h"
#include "core/base/bytes.h"
#include "groups/modules/compress.h"

namespace squall::modules {
namespace {

constexpr std::size_t most_bytes = 1 << 16;

void fuzz_compress(Bytes input) {
  const CompressLz4 codec;
  std::vector<std::byte> in, out, back;
  if (const auto message = codec.decode(input, most_bytes, in)) {
    SQUALL_ASSERT(message->size() <= most_bytes, "a message within the limit");
    const auto again = codec.decode(codec.encode(*message, out), most_bytes, back);
    SQUALL_ASSERT(again && std::ranges::equal(*again, *message), "what is encoded comes back");
  }
  SQUALL_ASSERT(in.size() <= most_bytes, "no more memory than a message may have");
}

}  // namespace
}  // namespace squall::modules

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  squall::modules::fuzz_compress(std::as_bytes(std::span(data, size)));
  return 0;
}
