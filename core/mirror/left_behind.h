#pragma once
// For the tests of this folder: a member that was expelled while it read a ring, and has noticed
// nothing.

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstring>
#include <utility>
#include <vector>

#include "core/base/ring_math.h"
#include "core/fabric/memory.h"

namespace squall::mirror {

class LeftBehind {
 public:
  /// It maps the ring's memory, and may read on in [from, to): published, and not acknowledged.
  LeftBehind(const fabric::Memory& memory, std::size_t ring_bytes, Position from, Position to)
      : bytes_(ring_bytes) {
    void* at = mmap(nullptr, bytes_, PROT_READ, MAP_SHARED, memory.fd(), 0);
    REQUIRE(at != MAP_FAILED);
    ring_ = static_cast<const std::byte*>(at);
    const RingMath math(ring_bytes);
    for (Position position = from; position != to; ++position) {
      offsets_.push_back(math.offset(position));
      saw_.push_back(ring_[offsets_.back()]);
    }
  }
  LeftBehind(LeftBehind&& other) noexcept
      : ring_(std::exchange(other.ring_, nullptr)),
        bytes_(other.bytes_),
        offsets_(std::move(other.offsets_)),
        saw_(std::move(other.saw_)) {}
  ~LeftBehind() {
    if (ring_ != nullptr) munmap(const_cast<std::byte*>(ring_), bytes_);
  }

  /// How many bytes are no longer what they were.
  std::size_t disturbed() const {
    std::size_t count = 0;
    for (std::size_t at = 0; at < saw_.size(); ++at) count += ring_[offsets_[at]] != saw_[at];
    return count;
  }

 private:
  const std::byte* ring_;
  std::size_t bytes_;
  std::vector<std::size_t> offsets_;
  std::vector<std::byte> saw_;
};

}  // namespace squall::mirror
