#include "bench/replicate/hasher.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <cstring>

#include "core/base/assert.h"

namespace squall::replicate {

Hasher::Hasher() : state_(XXH3_createState()) {
  SQUALL_ASSERT(state_ != nullptr, "memory for a hash state");
  reset();
}

void Hasher::Free::operator()(XXH3_state_s* state) const {
  XXH3_freeState(state);
}
void Hasher::reset() {
  XXH3_128bits_reset(state_.get());
}
void Hasher::update(Bytes bytes) {
  XXH3_128bits_update(state_.get(), bytes.data(), bytes.size());
}

Digest Hasher::digest() const {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_.get()));
  Digest digest;
  static_assert(sizeof(canonical) == sizeof(digest));
  std::memcpy(digest.data(), &canonical, sizeof(digest));
  return digest;
}

std::string text_of(const Digest& digest) {
  std::string text;
  for (const std::byte byte : digest) text += fmt::format("{:02x}", static_cast<unsigned>(byte));
  return text;
}

}  // namespace squall::replicate
