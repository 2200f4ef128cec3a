#pragma once
// A file on the wire: pieces, each a message of its own in its sender's order. A piece says where
// its bytes belong, the first how the file is called, the last what its digest is. The sender puts
// the header in front of bytes that lie in the same memory; receivers trust nothing of it.
//
// Wire, little-endian: magic (32 bits), version (8), kind (8), 16 bits of zeros; number, offset,
// total, length (64 each); mode (32); digest (128); the path behind its length (32); the bytes.
// What a piece has no use for is zero, so each has one wire form.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "core/base/bytes.h"
#include "core/base/digest.h"
#include "core/base/error.h"

namespace squall::files {

struct Piece {
  std::uint64_t number = 0;   ///< of the file: no two that its sender has under way have the same
  std::uint64_t offset = 0;   ///< of the first of `bytes` in the file
  std::uint64_t total = 0;    ///< of the whole file
  std::string path = {};      ///< of the first piece: relative, as check_path has it
  std::uint32_t mode = 0;     ///< of the first piece: permission bits
  Digest::Value digest = {};  ///< of the last piece: of the whole file
  Bytes bytes = {};           ///< where they came; not empty, unless the file is
  /// Instead of bytes: the file ends here, and nobody gets it. For people.
  std::string given_up = {};

  bool is_first() const { return offset == 0; }
  bool is_last() const { return offset + bytes.size() == total; }
};

/// What off_t can say.
inline constexpr std::uint64_t max_total = std::numeric_limits<std::int64_t>::max();
inline constexpr std::size_t max_given_up_bytes = 1024;

/// In front of the bytes.
inline constexpr std::size_t bare_header_bytes = 64;
constexpr std::size_t header_bytes(std::size_t path_bytes) {
  return bare_header_bytes + path_bytes;
}
/// Writes the header of a piece to the front of the message that ends with its bytes. The piece is
/// one that `decode` would take.
void encode_header(const Piece& piece, MutableBytes message);
/// A whole message.
std::vector<std::byte> encode_given_up(std::uint64_t number, std::string_view why);

/// Begins like a piece, of this version or another.
bool is_piece(Bytes message);
/// Code::refused for anything that the above would not have written, with paths that `check_path`
/// refuses. Each field is read once and checked afterwards: whoever sent it may still write there.
Result<Piece> decode(Bytes message);

}  // namespace squall::files
