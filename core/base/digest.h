#pragma once
// Digests of bytes: XXH3 (Yann Collet, xxhash.com), fast and well mixed, equal on every machine.
// They find accidents, not forgers: nothing here is cryptographic.
// A Digest is used by one thread at a time.

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "core/base/bytes.h"

namespace squall {

/// XXH3 with 64 bits, seed 0.
std::uint64_t digest(Bytes bytes);

/// XXH3 with 128 bits over bytes that come piece by piece: how they are cut does not matter.
class Digest {
 public:
  using Value = std::array<std::byte, 16>;

  Digest();
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;
  ~Digest();

  Digest& update(Bytes bytes);
  /// Of everything so far, most significant byte first; more may follow.
  Value value() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Lower-case hexadecimal, as `xxhsum -H2` prints it.
std::string to_hex(const Digest::Value& value);

}  // namespace squall
