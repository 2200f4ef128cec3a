#pragma once
// The records that a replication multicasts, one a message, in the order of the walk. In between
// come files, as pieces (groups/files), each whole before anything else. Encoded into ring space by
// the sender, decoded in place by receivers, who trust nothing of it.
//
// Wire: one byte of kind, then little-endian fields; paths behind a 32-bit length.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "core/base/bytes.h"
#include "core/base/digest.h"
#include "core/base/error.h"
#include "groups/files/path.h"

namespace squall::replicate {

using files::max_path_bytes;

struct DirectoryBegin {
  std::string_view path;
};
/// After everything in it: its mode may forbid writing.
struct DirectoryEnd {
  std::string_view path;
  std::uint32_t mode = 0;
};
/// Never sent: a journal notes so that a file has come.
struct File {
  std::string_view path;
  std::uint32_t mode = 0;
  std::uint64_t size = 0;
  Digest::Value digest{};
};
struct SymbolicLink {
  std::string_view path;
  std::string_view target;
};
/// Nothing comes after it.
struct End {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
};

using Record = std::variant<DirectoryBegin, DirectoryEnd, File, SymbolicLink, End>;

std::size_t encoded_bytes(const Record& record);
/// Writes exactly `encoded_bytes` to the front of `space`.
void encode(const Record& record, MutableBytes space);

/// Views into `message`. Code::refused for anything that the above would not have written,
/// including paths that files::check_path refuses.
Result<Record> decode(Bytes message);

}  // namespace squall::replicate
