#pragma once
// What a joiner and the members that hold the state of its first view say to each other, and its
// wire form. On control connections: they outlive views.

#include <cstdint>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/digest.h"
#include "core/base/error.h"
#include "core/base/ids.h"

namespace squall::engine {

/// From a joiner: I have all below `offset` of this channel's state as of the beginning of `view`;
/// send on, up to `limit`.
struct StateRequest {
  ViewId view{};
  std::uint32_t channel = 0;
  std::uint64_t offset = 0;
  std::uint64_t limit = 0;
  Digest::Value digest{};  ///< of what it has: another member may have sent it
  bool again = false;      ///< what was sent beyond `offset` did not arrive: send that once more

  friend bool operator==(const StateRequest&, const StateRequest&) = default;
};

/// To a joiner.
struct StatePiece {
  enum class Kind : std::uint8_t {
    bytes = 1,  ///< at `offset`
    last,       ///< the same, and no more follows
    none,       ///< this member cannot send it: ask another
    different,  ///< nor this one: what it has below `offset` is not what you have
  };
  Kind kind{};
  ViewId view{};
  std::uint32_t channel = 0;
  std::uint64_t offset = 0;
  Bytes bytes{};  ///< decoded: within what was decoded
};

/// What a piece takes beside its bytes.
inline constexpr std::size_t state_piece_header_bytes = 1 + 8 + 4 + 8 + 4;
inline constexpr std::size_t most_state_piece_bytes = std::size_t{1} << 20;

std::vector<std::byte> encode(const StateRequest& request);
std::vector<std::byte> encode(const StatePiece& piece);
/// Code::invalid: cut short, over a limit, bytes left over, or an unknown kind.
Result<StateRequest> decode_state_request(Bytes bytes);
Result<StatePiece> decode_state_piece(Bytes bytes);

}  // namespace squall::engine
