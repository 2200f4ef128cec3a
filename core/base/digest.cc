#include "core/base/digest.h"

#include <cstring>

#define XXH_STATIC_LINKING_ONLY  // for the size of the state
#include <xxhash.h>

#include "core/base/assert.h"

namespace squall {

struct Digest::State {
  XXH3_state_t hash;  // aligned to 64 bytes; operator new keeps that
};

std::uint64_t digest(Bytes bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

Digest::Digest() : state_(std::make_unique<State>()) {
  SQUALL_ASSERT(XXH3_128bits_reset(&state_->hash) == XXH_OK, "a digest starts");
}
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;
Digest::~Digest() = default;

Digest& Digest::update(Bytes bytes) {
  if (bytes.empty()) return *this;  // a null pointer is an error to xxhash
  SQUALL_ASSERT(XXH3_128bits_update(&state_->hash, bytes.data(), bytes.size()) == XXH_OK,
                "a digest takes bytes");
  return *this;
}

Digest::Value Digest::value() const {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&state_->hash));
  Value value;
  static_assert(sizeof(canonical.digest) == sizeof(value));
  std::memcpy(value.data(), canonical.digest, value.size());
  return value;
}

std::string to_hex(const Digest::Value& value) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string hex;
  for (const std::byte byte : value) {
    hex += digits[std::to_integer<unsigned>(byte) >> 4];
    hex += digits[std::to_integer<unsigned>(byte) & 15];
  }
  return hex;
}

}  // namespace squall
