#pragma once
// Seeded randomness: splitmix64 (Steele, Lea, Flood, OOPSLA 2014). The same seed gives the
// same sequence on every machine, which std:: distributions do not promise.

#include <cstdint>

namespace squall {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t mixed = (state_ += 0x9e3779b97f4a7c15ull);
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ull;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebull;
    return mixed ^ (mixed >> 31);
  }
  /// Uniform in [0, bound); bound must not be 0. The bias of the multiply-shift is under 2^-32
  /// for every bound that is used here.
  std::uint64_t below(std::uint64_t bound) {
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
  }
  /// True once in `times` calls on average.
  bool one_in(std::uint64_t times) { return below(times) == 0; }

 private:
  std::uint64_t state_;
};

}  // namespace squall
