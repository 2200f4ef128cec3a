#include "groups/modules/compress.h"

#include <lz4.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace squall::modules {
namespace {

// The last byte says how the rest travels.
constexpr std::byte as_it_is{0};
constexpr std::byte lz4_block{1};
// Behind the block, before the mark: how long the message is.
using Length = std::uint32_t;
constexpr std::size_t trailer_bytes = sizeof(Length) + 1;

}  // namespace

Bytes CompressLz4::encode(Bytes message, std::vector<std::byte>& scratch) const {
  const std::size_t bytes = message.size();
  if (scratch.size() < bytes + overhead()) scratch.resize(bytes + overhead());
  if (bytes >= least_bytes && bytes <= LZ4_MAX_INPUT_SIZE) {
    // It gives up where the block would be as long as the message.
    const int block = LZ4_compress_default(
        reinterpret_cast<const char*>(message.data()), reinterpret_cast<char*>(scratch.data()),
        static_cast<int>(bytes), static_cast<int>(bytes - trailer_bytes));
    if (block > 0) {
      const auto length = static_cast<Length>(bytes);
      std::byte* const trailer = scratch.data() + block;
      std::memcpy(trailer, &length, sizeof(length));
      trailer[sizeof(length)] = lz4_block;
      return {scratch.data(), static_cast<std::size_t>(block) + trailer_bytes};
    }
  }
  if (bytes != 0) std::memcpy(scratch.data(), message.data(), bytes);
  scratch[bytes] = as_it_is;
  return {scratch.data(), bytes + overhead()};
}

void CompressLz4::encode_in_place(MutableBytes whole) const {
  whole.back() = as_it_is;
}

std::optional<Bytes> CompressLz4::decode(Bytes encoded, std::size_t most_bytes,
                                         std::vector<std::byte>& scratch) const {
  // A mapped peer may change its bytes while they are read: each is taken once.
  if (encoded.empty()) return std::nullopt;
  const std::byte mark = encoded.back();
  if (mark == as_it_is) {
    if (encoded.size() - overhead() > most_bytes) return std::nullopt;
    return encoded.first(encoded.size() - overhead());
  }
  if (mark != lz4_block || encoded.size() <= trailer_bytes) return std::nullopt;
  Length length = 0;
  std::memcpy(&length, encoded.data() + (encoded.size() - trailer_bytes), sizeof(length));
  const std::size_t block = encoded.size() - trailer_bytes;
  if (length < least_bytes || length > most_bytes || block > length || length > LZ4_MAX_INPUT_SIZE)
    return std::nullopt;
  if (scratch.size() < length) scratch.resize(length);
  const int got = LZ4_decompress_safe(reinterpret_cast<const char*>(encoded.data()),
                                      reinterpret_cast<char*>(scratch.data()),
                                      static_cast<int>(block), static_cast<int>(length));
  if (got < 0 || static_cast<Length>(got) != length) return std::nullopt;
  return Bytes(scratch).first(length);
}

}  // namespace squall::modules
