// Hostile words about a joiner: who it is, and between it and those that hold its state. Whatever
// is taken for one has one wire form, which is the one that it came in.
#include <algorithm>

#include "core/base/assert.h"
#include "core/base/bytes.h"
#include "core/engine/state_wire.h"
#include "core/membership/change.h"

namespace squall::engine {
namespace {

void fuzz_state(Bytes input) {
  if (const auto request = decode_state_request(input))
    SQUALL_ASSERT(std::ranges::equal(encode(*request), input), "a request has one wire form");
  if (const auto piece = decode_state_piece(input))
    SQUALL_ASSERT(std::ranges::equal(encode(*piece), input), "a piece has one wire form");
  Reader reader(input);
  const auto joiner = membership::decode_joiner(reader);
  if (!reader.done()) return;
  Writer writer;
  membership::encode(writer, joiner);
  SQUALL_ASSERT(std::ranges::equal(writer.bytes(), input), "a joiner has one wire form");
}

}  // namespace
}  // namespace squall::engine

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  squall::engine::fuzz_state(std::as_bytes(std::span(data, size)));
  return 0;
}
