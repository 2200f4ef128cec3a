#include "groups/files/piece.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "core/base/assert.h"
#include "core/base/printable.h"
#include "groups/files/path.h"

namespace squall::files {
namespace {

constexpr std::uint32_t magic = 0x46717353;  // "SsqF"
constexpr std::uint8_t version = 1;

enum class Kind : std::uint8_t { piece = 1, given_up };

constexpr std::uint32_t mode_bits = 07777;

struct Header {
  std::uint32_t begins = magic;
  std::uint8_t speaks = version;
  Kind kind = Kind::piece;
  std::uint16_t zero = 0;
  std::uint64_t number = 0;
  std::uint64_t offset = 0;
  std::uint64_t total = 0;
  std::uint64_t length = 0;
  std::uint32_t mode = 0;
  std::uint32_t path_bytes = 0;
  Digest::Value digest{};
};
static_assert(sizeof(Header) == bare_header_bytes, "no padding, and what the wire says");

void put(const Header& header, std::string_view path, MutableBytes message) {
  SQUALL_ASSERT(message.size() == header_bytes(path.size()) + header.length,
                "a piece is given the space that it takes");
  std::memcpy(message.data(), &header, sizeof header);
  std::ranges::copy(as_bytes(path), message.data() + sizeof header);
}

tl::unexpected<Error> malformed(std::string_view why) {
  return fail(Code::refused, fmt::format("malformed piece of a file: {}", why),
              "its sender is broken, or another version");
}

bool is_zero(const Digest::Value& digest) {
  return digest == Digest::Value{};
}

Result<Piece> decode_given_up(const Header& header, Bytes rest) {
  if (header.offset != 0 || header.total != 0 || header.mode != 0 || header.path_bytes != 0 ||
      !is_zero(header.digest))
    return malformed("it is given up, and has more to say");
  if (rest.empty() || rest.size() > max_given_up_bytes)
    return malformed("it is given up for no reason, or for too long a one");
  Piece piece;
  piece.number = header.number;
  piece.given_up = printable(std::string(as_text(rest)));
  return piece;
}

Result<> check(const Header& header) {
  if (header.total > max_total) return malformed("a file of more bytes than files can have");
  if (header.offset > header.total || header.length > header.total - header.offset)
    return malformed("it goes beyond the end of its file");
  if (header.length == 0 && header.total != 0) return malformed("no bytes");
  const bool first = header.offset == 0;
  const bool last = header.offset + header.length == header.total;
  if (!first && (header.path_bytes != 0 || header.mode != 0))
    return malformed("it is not the first, and has a name");
  if (header.mode > mode_bits) return malformed("a mode that is none");
  if (!last && !is_zero(header.digest)) return malformed("it is not the last, and has a digest");
  return {};
}

}  // namespace

void encode_header(const Piece& piece, MutableBytes message) {
  put({.number = piece.number,
       .offset = piece.offset,
       .total = piece.total,
       .length = piece.bytes.size(),
       .mode = piece.mode,
       .path_bytes = static_cast<std::uint32_t>(piece.path.size()),
       .digest = piece.digest},
      piece.path, message);
}

std::vector<std::byte> encode_given_up(std::uint64_t number, std::string_view why) {
  why = why.empty() ? "no reason" : why.substr(0, max_given_up_bytes);
  std::vector<std::byte> message(header_bytes(0) + why.size());
  put({.kind = Kind::given_up, .number = number, .length = why.size()}, {}, message);
  std::ranges::copy(as_bytes(why), message.data() + header_bytes(0));
  return message;
}

bool is_piece(Bytes message) {
  std::uint32_t begins = 0;
  if (message.size() < sizeof begins) return false;
  std::memcpy(&begins, message.data(), sizeof begins);
  return begins == magic;
}

Result<Piece> decode(Bytes message) {
  Header header;
  if (message.size() < sizeof header) return malformed("it is cut short");
  std::memcpy(&header, message.data(), sizeof header);
  if (header.begins != magic) return malformed("it is none");
  if (header.speaks != version)
    return fail(Code::refused,
                fmt::format("a piece of a file in version {}, this is {}", header.speaks, version),
                "upgrade its sender or this member");
  const Bytes rest = message.subspan(sizeof header);
  if (header.zero != 0 || header.path_bytes > rest.size() ||
      header.length != rest.size() - header.path_bytes)
    return malformed("its lengths do not fit");
  if (header.kind == Kind::given_up) return decode_given_up(header, rest);
  if (header.kind != Kind::piece) return malformed("an unknown kind");
  if (auto checked = check(header); !checked) return tl::unexpected(checked.error());
  if (header.path_bytes > max_path_bytes) return malformed("its name is too long");
  Piece piece;
  piece.number = header.number;
  piece.offset = header.offset;
  piece.total = header.total;
  piece.path = as_text(rest.first(header.path_bytes));
  piece.mode = header.mode;
  piece.digest = header.digest;
  piece.bytes = rest.subspan(header.path_bytes);
  if (piece.is_first())
    if (auto checked = check_path(piece.path); !checked) return tl::unexpected(checked.error());
  return piece;
}

}  // namespace squall::files
