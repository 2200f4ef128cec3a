#pragma once
// A frame in a ring: a 16-byte header, the message, padding to 16 bytes. Frames never wrap: where
// one does not fit before the ring's end, a padding frame fills the rest.

#include <cstddef>
#include <cstdint>

#include "core/base/ids.h"
#include "core/base/ring_math.h"

namespace squall::mirror {

enum class FrameKind : std::uint32_t {
  message = 1,
  padding = 2,  ///< nothing; has no round and no number
  object = 3,   ///< a message that names bytes which travel elsewhere
};

struct FrameHeader {
  std::uint32_t bytes;  ///< of the message, without header and padding
  FrameKind kind;
  Round round;  ///< given when published; the number is implied: frames are numbered in order
};

inline constexpr std::size_t frame_alignment = 16;
static_assert(sizeof(FrameHeader) == 16, "the header is on the wire");

constexpr std::size_t frame_bytes(std::size_t message_bytes) {
  return sizeof(FrameHeader) + round_up(message_bytes, frame_alignment);
}

/// The largest message of a ring: its frame takes a quarter, so that frame and padding together
/// always find room once half of the ring is free.
constexpr std::size_t max_message_bytes(std::size_t ring_bytes) {
  return ring_bytes / 4 - sizeof(FrameHeader);
}

inline constexpr std::size_t min_ring_bytes = 4096;
inline constexpr std::size_t max_ring_bytes = std::size_t{1} << 30;

}  // namespace squall::mirror
