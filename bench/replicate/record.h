#pragma once
// The records that a replication multicasts, one a message, in the order of the walk. A file is
// begin, data until `size` bytes have come, end; nothing else comes in between. Encoded into ring
// space by the sender, decoded in place by receivers, who trust nothing of it.
//
// Wire: one byte of kind, then little-endian fields; paths behind a 32-bit length.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "bench/text/printable.h"
#include "core/base/bytes.h"
#include "core/base/digest.h"
#include "core/base/error.h"

namespace squall::replicate {

using bench::printable;

/// PATH_MAX of Linux, less what is in front of a relative path.
inline constexpr std::size_t max_path_bytes = 4095;

struct DirectoryBegin {
  std::string_view path;
};
/// After everything in it: its mode may forbid writing.
struct DirectoryEnd {
  std::string_view path;
  std::uint32_t mode = 0;
};
struct FileBegin {
  std::string_view path;
  std::uint32_t mode = 0;
  std::uint64_t size = 0;
};
struct FileData {
  Bytes bytes;
};
struct FileEnd {
  Digest::Value digest{};
};
struct SymbolicLink {
  std::string_view path;
  std::string_view target;
};
/// Fills space that was reserved for data which then could not be read.
struct Padding {};
/// Nothing comes after it.
struct End {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
};

using Record = std::variant<DirectoryBegin, DirectoryEnd, FileBegin, FileData, FileEnd,
                            SymbolicLink, Padding, End>;

std::size_t encoded_bytes(const Record& record);
/// Writes exactly `encoded_bytes` to the front of `space`.
void encode(const Record& record, MutableBytes space);

/// Data in place: the first byte(s) of a message of `header + n` bytes, whose rest is the data.
inline constexpr std::size_t data_header_bytes = 1;
void encode_data_header(MutableBytes message);
void encode_padding_header(MutableBytes message);

/// Views into `message`. Code::refused for anything that the above would not have written,
/// including paths that `check_path` refuses.
Result<Record> decode(Bytes message);

/// A path is relative, of components that are none of "", ".", "..", without NUL, within limits.
Result<> check_path(std::string_view path);

}  // namespace squall::replicate
