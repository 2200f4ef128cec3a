#pragma once
// Byte-ring arithmetic. Positions are 64-bit counts of bytes ever appended: they never wrap
// (at 100 GB/s that takes five years), and only `offset` folds them into the ring.

#include <cstddef>
#include <cstdint>

namespace squall {

using Position = std::uint64_t;

constexpr bool is_power_of_two(std::uint64_t value) {
  return value != 0 && (value & (value - 1)) == 0;
}

/// `alignment` must be a power of two.
constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t alignment) {
  return (value + alignment - 1) & ~(alignment - 1);
}

/// A ring of `bytes()` bytes, a power of two.
class RingMath {
 public:
  explicit constexpr RingMath(std::uint64_t bytes) : mask_(bytes - 1) {}

  constexpr std::uint64_t bytes() const { return mask_ + 1; }
  constexpr std::size_t offset(Position position) const { return position & mask_; }
  /// How many bytes lie between `position` and the end of the ring's memory: 1 to bytes().
  constexpr std::uint64_t until_end(Position position) const { return bytes() - offset(position); }

 private:
  std::uint64_t mask_;
};

}  // namespace squall
