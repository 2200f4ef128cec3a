// Hostile pieces: whatever is taken for one stays within its file and below its folder, and has one
// wire form, which is the one that it came in.
#include <algorithm>
#include <vector>

#include "core/base/assert.h"
#include "groups/files/piece.h"

namespace squall::files {
namespace {

void expect_below(std::string_view path) {
  SQUALL_ASSERT(!path.empty() && path.front() != '/' && path != ".." && !path.starts_with("../") &&
                    !path.ends_with("/..") && path.find("/../") == std::string_view::npos,
                "a path stays below");
}

void fuzz_piece(Bytes input) {
  const auto piece = decode(input);
  if (!piece) {
    SQUALL_ASSERT(!piece.error().what.empty(), "a refusal says why");
    return;
  }
  SQUALL_ASSERT(is_piece(input), "what is taken for a piece begins like one");
  if (!piece->given_up.empty()) return;  // made printable
  SQUALL_ASSERT(piece->total <= max_total && piece->offset <= piece->total &&
                    piece->bytes.size() <= piece->total - piece->offset,
                "a piece stays within its file");
  if (piece->is_first()) expect_below(piece->path);
  std::vector<std::byte> again(input.size());
  std::ranges::copy(piece->bytes, again.end() - std::ssize(piece->bytes));
  encode_header(*piece, again);
  SQUALL_ASSERT(std::ranges::equal(again, input), "a piece has one wire form");
}

}  // namespace
}  // namespace squall::files

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  squall::files::fuzz_piece(std::as_bytes(std::span(data, size)));
  return 0;
}
