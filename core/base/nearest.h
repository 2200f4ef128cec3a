#pragma once
// "Did you mean": the nearest of some known names.

#include <cstddef>
#include <span>
#include <string_view>

namespace squall {

/// Insertions, deletions and replacements between two words (Levenshtein), ignoring case.
std::size_t edit_distance(std::string_view left, std::string_view right);

/// The known name that was meant, if `word` is a slip of the hand: the nearest (the first of
/// equals) if two letters or a third of them would have to change, and not all of it. Else empty.
/// `word` may be anybody's, of any length.
std::string_view nearest(std::string_view word, std::span<const std::string_view> known);

}  // namespace squall
