// Hostile bodies of rendezvous frames: the first byte says of which kind. What is taken for one of
// ours has one wire form, which is the one that it came in; texts can be shown to people. How a
// whole conversation takes hostile bytes is `meeting_fuzz`.
#include <algorithm>

#include "core/base/assert.h"
#include "core/base/bytes.h"
#include "core/fabric/rendezvous_wire.h"

namespace squall::fabric {
namespace {

void expect_same(Bytes frame, Bytes body) {
  SQUALL_ASSERT(std::ranges::equal(frame.subspan(frame_header_bytes), body),
                "a frame has one wire form");
}

void expect_shown(std::string_view text, std::size_t limit) {
  SQUALL_ASSERT(text.size() <= limit, "a peer's text keeps its limit");
  SQUALL_ASSERT(std::ranges::all_of(text, [](unsigned char c) { return c >= 0x20 && c != 0x7f; }),
                "a peer's text holds no control characters");
}

void fuzz_body(Bytes input) {
  if (input.empty()) return;
  const auto kind = static_cast<FrameKind>(std::to_integer<unsigned>(input[0]) % 8);
  const Bytes body = input.subspan(1);
  switch (kind) {
    case FrameKind::hello:
    case FrameKind::answer:
      expect_shown(decode_hello_name(body), Limits::name_bytes);
      if (const auto hello = decode_hello(body)) expect_same(encode_hello(kind, *hello), body);
      return;
    case FrameKind::confirm:
    case FrameKind::welcome:
      if (const auto proof = decode_proof(body)) expect_same(encode_proof(kind, *proof), body);
      return;
    case FrameKind::refusal:
      if (const auto error = decode_refusal(body)) {
        expect_shown(error->what, Limits::refusal_bytes);
        expect_shown(error->remedy, Limits::refusal_bytes);
      }
      return;
    case FrameKind::word:
      return;  // its body is the guest's and the member's: admission_wire_fuzz
    case FrameKind::goodbye:
      if (const auto text = decode_goodbye(body)) expect_shown(*text, Limits::goodbye_bytes);
      return;
  }
  // Kind 0: the bytes are a stream, from which frames are taken until it is no more one.
  std::vector<std::byte> buffer(body.begin(), body.end());
  for (std::size_t before = buffer.size() + 1; buffer.size() < before;) {
    before = buffer.size();
    const auto frame = take_frame(buffer);
    if (!frame || !*frame) return;
    SQUALL_ASSERT((*frame)->body.size() + frame_header_bytes == before - buffer.size(),
                  "a frame takes its own bytes and no others");
  }
}

}  // namespace
}  // namespace squall::fabric

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  squall::fabric::fuzz_body(std::as_bytes(std::span(data, size)));
  return 0;
}
