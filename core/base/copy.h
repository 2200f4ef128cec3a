#pragma once
// memcpy for messages, where libc's choice costs more than it must.

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/base/sanitized.h"

namespace squall {

/// Where a sanitizer looks at each access, one call of libc's is far quicker than many stores.
inline constexpr bool stores_are_plain = !sanitized;

inline constexpr std::size_t most_short_bytes = 128;

/// `step` bytes at that distance from either end; the two may overlap.
template <std::size_t step>
[[gnu::always_inline]] inline void copy_both_ends(std::byte* to, const std::byte* from,
                                                  std::size_t bytes, std::size_t at) {
  std::memcpy(to + at, from + at, step);
  std::memcpy(to + bytes - at - step, from + bytes - at - step, step);
}

/// Copies up to `most_short_bytes` from `from` to `to`, which must not overlap. Of a cache line or
/// two, finding the right one of libc's copies costs more than the copy. Few stores and no call:
/// see mirror::RingWriter.
[[gnu::always_inline]] inline void copy_short(std::byte* to, const std::byte* from,
                                              std::size_t bytes) {
  if (bytes >= 16) {
    if (bytes > 64) {
      copy_both_ends<16>(to, from, bytes, 48);
      copy_both_ends<16>(to, from, bytes, 32);
    }
    if (bytes > 32) copy_both_ends<16>(to, from, bytes, 16);
    copy_both_ends<16>(to, from, bytes, 0);
  } else if (bytes >= 8) {
    copy_both_ends<8>(to, from, bytes, 0);
  } else if (bytes >= 4) {
    copy_both_ends<4>(to, from, bytes, 0);
  } else {
    for (std::size_t at = 0; at < bytes; ++at) to[at] = from[at];
  }
}

/// The same of any length. Above some 2 KiB glibc takes `rep movsb` on whatever processor says that
/// it has a good one; where the bytes are read again soon, plain stores are twice as fast on Zen 2
/// and 3 (20 and 40 GB/s for 64 KiB), since they leave them in the nearest cache. Far beyond its
/// size that turns, so long copies are libc's.
inline void copy_message(std::byte* to, const std::byte* from, std::size_t bytes) {
  constexpr std::size_t line = 64, medium = 2048, large = std::size_t{512} << 10;
  if (bytes <= most_short_bytes) {
    copy_short(to, from, bytes);
  } else if (stores_are_plain && bytes > medium && bytes <= large) {
    for (std::size_t at = 0; at + line <= bytes; at += line) std::memcpy(to + at, from + at, line);
    std::memcpy(to + bytes - line, from + bytes - line, line);
  } else {
    std::memcpy(to, from, bytes);
  }
}

/// The same of what was stored a moment ago, word by word, and is short: a load that is wider than
/// the stores before it would wait until they have left the processor.
[[gnu::always_inline]] inline void copy_words(std::byte* to, const std::byte* from,
                                              std::size_t bytes) {
  constexpr std::size_t word = 8, half = 4, longest = 64;
  if (bytes > longest) return copy_message(to, from, bytes);
  std::size_t at = 0;
  for (; at + word <= bytes; at += word) std::memcpy(to + at, from + at, word);
  if (at == bytes) return;
  if (at + half <= bytes) {
    std::memcpy(to + at, from + at, half);
    at += half;
  }
  for (; at < bytes; ++at) to[at] = from[at];
}

/// Words that are copied so. By way of a register each: of neighbours the compiler would make one
/// wide load and one wide store.
inline void store_word(std::byte* to, std::uint64_t word) {
  asm("" : "+r"(word));
  std::memcpy(to, &word, sizeof word);
}
inline std::uint64_t load_word(const std::byte* from) {
  std::uint64_t word = 0;
  std::memcpy(&word, from, sizeof word);
  asm("" : "+r"(word));
  return word;
}

}  // namespace squall
