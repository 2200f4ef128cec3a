#pragma once
// What the fuzzer and a unit test do with hostile ring bytes. The input is the ring's memory,
// preceded by a list of moves: how far the peer claims to have published, and how many frames are
// taken in between. Whatever the peer says, the reader stays within the ring, walks forward and
// ends.

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/base/assert.h"
#include "core/base/bytes.h"
#include "core/mirror/ring_reader.h"

namespace squall::mirror {

/// How many messages were taken in; for tests that want to know that some were.
inline std::size_t fuzz_ring_reader(Bytes input) {
  constexpr std::size_t ring_bytes = 256;
  constexpr std::size_t moves = 16;
  if (input.size() < moves) return 0;
  // On the heap and exactly as long as the ring, so that the sanitizer sees a byte too far.
  std::vector<std::byte> ring(ring_bytes);
  const Bytes body = input.subspan(moves);
  if (!body.empty()) std::memcpy(ring.data(), body.data(), std::min(body.size(), ring_bytes));

  RingReader reader(ring.data(), ring_bytes);
  std::size_t taken = 0;
  Position published = 0;
  Round least = 0;
  unsigned sum = 0;
  for (const std::byte move : input.first(moves)) {
    // Mostly plausible steps; sometimes far away, backwards or unaligned.
    const auto step = std::to_integer<std::uint64_t>(move);
    const Position claimed =
        step < 240 ? published + step % 20 * frame_alignment : published + (step - 250) * 977;
    const bool right = claimed >= published && claimed - reader.consumed() <= ring_bytes &&
                       claimed % frame_alignment == 0;
    SQUALL_ASSERT(reader.extend(claimed) == right,
                  "a wrong position is refused, a right one taken");
    if (!right) return taken;
    published = claimed;
    for (std::size_t frames = 0; frames < step % 5; ++frames) {
      const Position before = reader.consumed();
      if (!reader.advance()) return taken;
      SQUALL_ASSERT(reader.consumed() >= before && reader.consumed() <= published,
                    "a reader walks forward, and no further than what is published");
      if (reader.head_round() == no_round) {
        SQUALL_ASSERT(reader.exhausted() && reader.consumed() == published, "it stops at the end");
        break;
      }
      SQUALL_ASSERT(reader.head_round() >= least, "rounds strictly increase");
      least = reader.head_round() + 1;
      const Bytes head = reader.head();
      SQUALL_ASSERT(head.data() >= ring.data() && head.size() <= ring_bytes &&
                        head.data() + head.size() <= ring.data() + ring_bytes,
                    "a message lies within the ring");
      for (const std::byte byte : head) sum += std::to_integer<unsigned>(byte);
      ++taken;
    }
  }
  // The sum keeps the reads from being optimised away.
  return taken + (sum == UINT32_MAX ? 1 : 0);
}

}  // namespace squall::mirror
