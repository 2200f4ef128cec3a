#pragma once
// "Did you mean": the nearest of some known names.

#include <cstddef>
#include <span>
#include <string_view>

namespace squall {

/// Insertions, deletions and replacements between two words (Levenshtein), ignoring case.
std::size_t edit_distance(std::string_view left, std::string_view right);

/// The known name nearest to `word`; empty if there is none. Of a word that is more than twice as
/// long as the longest name only so much counts: the text is anybody's, and the time is the product
/// of both lengths.
std::string_view nearest(std::string_view word, std::span<const std::string_view> known);

}  // namespace squall
