// Hostile packets of a peer's unix socket: whatever is taken for one has one wire form, except that
// a peer's words are made printable, and that a hello of another version may say more.
#include <algorithm>

#include "core/base/assert.h"
#include "core/base/bytes.h"
#include "providers/shm/shm_wire.h"

namespace squall::shm {
namespace {

void fuzz_packet(Bytes input) {
  if (const auto hello = parse_hello(input); hello && hello->version == wire_version)
    SQUALL_ASSERT(std::ranges::equal(encode(*hello), input), "a hello has one wire form");
  if (const auto control = parse_control(input)) {
    const auto again = encode(*control);
    SQUALL_ASSERT(again.size() == input.size(), "nothing is invented, cut or left over");
    SQUALL_ASSERT(control->kind == PacketKind::bye || std::ranges::equal(again, input),
                  "a packet has one wire form");
    SQUALL_ASSERT(std::ranges::all_of(control->reason, [](char c) { return c >= ' ' && c <= '~'; }),
                  "a peer's words can be shown");
  }
  static_cast<void>(is_address(as_text(input)));
}

}  // namespace
}  // namespace squall::shm

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  squall::shm::fuzz_packet(std::as_bytes(std::span(data, size)));
  return 0;
}
