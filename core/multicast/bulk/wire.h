#pragma once
// What members tell each other of large objects, on the connections that carry a view's mirrors,
// behind the number of the channel.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/base/bytes.h"
#include "core/multicast/bulk/schedule.h"

namespace squall::multicast::bulk {

/// The least and the largest block; the most bytes of an object.
inline constexpr std::uint32_t least_block_bytes = 1 << 10, most_block_bytes = 64 << 20;
inline constexpr std::uint64_t most_object_bytes = std::uint64_t{1} << 40;

struct Word {
  enum class Kind : std::uint8_t {
    offer = 1,  ///< you get blocks of it from me: import `region`, when you have a place for it.
                ///< `stays`: all of the region, and keep it if you like
    landed,     ///< `block`, which I pushed before this. `stays`: to the replica of `region` that
                ///< you have kept
    whole,      ///< to its sender: I hold all of it
    retired,    ///< my `region` goes, or your replica of it: import it no more
    kept,       ///< to who offered it: I keep the replica of your `region`
  };

  Kind kind = Kind::offer;
  std::uint32_t origin = 0;  ///< whose object it is: an index of the channel's senders
  std::uint64_t number = 0;  ///< of that sender's objects
  std::uint64_t region = 0;
  bool stays = false;
  // Of an offer, and of a block that comes without one.
  std::uint64_t bytes = 0;
  std::uint64_t region_bytes = 0;
  std::uint32_t block_bytes = 0;
  bulk::Kind schedule = bulk::Kind::sequential;

  Block block = 0;

  friend bool operator==(const Word&, const Word&) = default;
};

/// As it travels, with the channel's number before it, which the receiver's epoch reads.
using WireWord = std::array<std::byte, 48>;
WireWord encode(std::uint16_t channel, const Word& word);
/// Of what follows the channel's number; nothing if it is none, or says what cannot be.
std::optional<Word> decode(Bytes message);

}  // namespace squall::multicast::bulk
