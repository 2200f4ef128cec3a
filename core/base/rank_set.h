#pragma once
// A set of ranks of one view. Ranks are dense and few, so it is a handful of words.

#include <array>
#include <bit>
#include <cstdint>

#include "core/base/ids.h"

namespace squall {

/// The largest view. Everything that is sized by the members may count on it.
inline constexpr Rank max_members = 256;

class RankSet {
 public:
  constexpr RankSet() = default;
  /// {0, ..., members - 1}
  static constexpr RankSet all(Rank members) {
    RankSet set;
    for (Rank rank = 0; rank < members; ++rank) set.insert(rank);
    return set;
  }

  constexpr bool contains(Rank rank) const {
    return rank < max_members && (words_[rank / 64] >> (rank % 64) & 1) != 0;
  }
  /// `rank` is below max_members.
  constexpr void insert(Rank rank) { words_[rank / 64] |= std::uint64_t{1} << (rank % 64); }
  constexpr void erase(Rank rank) { words_[rank / 64] &= ~(std::uint64_t{1} << (rank % 64)); }

  constexpr Rank size() const {
    int count = 0;
    for (const std::uint64_t word : words_) count += std::popcount(word);
    return static_cast<Rank>(count);
  }
  constexpr bool empty() const { return *this == RankSet{}; }
  /// The least rank, or max_members of an empty set.
  constexpr Rank first() const {
    for (Rank at = 0; at < words_.size(); ++at)
      if (words_[at] != 0) return at * 64 + static_cast<Rank>(std::countr_zero(words_[at]));
    return max_members;
  }
  constexpr bool includes(const RankSet& other) const { return (other - *this).empty(); }

  friend constexpr RankSet operator|(RankSet a, const RankSet& b) {
    for (std::size_t at = 0; at < a.words_.size(); ++at) a.words_[at] |= b.words_[at];
    return a;
  }
  friend constexpr RankSet operator&(RankSet a, const RankSet& b) {
    for (std::size_t at = 0; at < a.words_.size(); ++at) a.words_[at] &= b.words_[at];
    return a;
  }
  friend constexpr RankSet operator-(RankSet a, const RankSet& b) {
    for (std::size_t at = 0; at < a.words_.size(); ++at) a.words_[at] &= ~b.words_[at];
    return a;
  }
  friend constexpr bool operator==(const RankSet&, const RankSet&) = default;

  /// For the wire.
  static constexpr std::size_t word_count = max_members / 64;
  constexpr const std::array<std::uint64_t, word_count>& words() const { return words_; }
  constexpr std::array<std::uint64_t, word_count>& words() { return words_; }

 private:
  std::array<std::uint64_t, word_count> words_{};
};

/// More than half of a view, or, of an even split, the half with rank 0: any two such sets of one
/// view meet. Suspects count as members.
constexpr bool is_majority(const RankSet& some, Rank members) {
  const Rank have = (some & RankSet::all(members)).size();
  return 2 * have > members || (2 * have == members && some.contains(0));
}

}  // namespace squall
