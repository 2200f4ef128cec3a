#pragma once
// What the members of one view say to each other to agree on the next one, and its wire form. The
// protocol is in agreement.h. Every message names its view, so that whoever is in another one can
// tell.

#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/membership/change.h"

namespace squall::membership {

/// Totally ordered, and no two members use the same: round * members + rank + 1. 0 is none.
using Ballot = std::uint64_t;
/// Nobody gets there in earnest; a larger one is refused, so that arithmetic cannot overflow.
inline constexpr Ballot max_ballot = Ballot{1} << 62;

struct Message {
  enum class Kind : std::uint8_t {
    prepare = 1,  ///< coordinator: promise me `ballot`
    promise,      ///< member: nothing below `ballot` any more; `frozen`; and what it accepted last
                  ///< (`other`, `change`), if it has
    accept,       ///< coordinator: accept `change` in `ballot`
    accepted,     ///< member: I have, in `ballot`
    refused,      ///< member: not `ballot`, I have promised `other`
    ask,          ///< anyone: is it decided?
    decided,      ///< anyone: it is, on `change`
  };
  Kind kind{};
  ViewId view{};  ///< the one that ends
  Ballot ballot = 0;
  Ballot other = 0;
  Frozen frozen;
  std::optional<Change> change;

  friend bool operator==(const Message&, const Message&) = default;
};

/// `message` carries what its kind says, and nothing else.
std::vector<std::byte> encode(const Message& message);
/// Code::invalid: unknown kind, cut short, over a limit, bytes left over, or not a successor of
/// the view that it names.
Result<Message> decode_message(Bytes bytes);

}  // namespace squall::membership
