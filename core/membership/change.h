#pragma once
// What the members of a view agree on when it ends: the next view, and how much of each sender
// everybody delivers before it. Plain values with their wire form; whatever comes from a peer is
// checked before it becomes one.

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/base/rank_set.h"
#include "core/base/view.h"

namespace squall::membership {

struct ChangeLimits {
  static constexpr std::size_t channels = 1024;
  static constexpr std::size_t name_bytes = 256;
  static constexpr std::size_t address_bytes = 512;
  static constexpr std::size_t host_bytes = 256;
};

/// Rounds by channel and sender: [channel][sender, by its index in the channel].
using Rounds = std::vector<std::vector<Round>>;

/// Equally many channels, and in each that both know equally many senders.
bool compatible(const Rounds& left, const Rounds& right);

using Secret = std::array<std::byte, 16>;

/// Someone whom the next view admits.
struct Joiner {
  Member member;
  std::string fabric_address;  ///< opaque bytes
  std::string host;            ///< equal for members of one host
  Secret secret{};             ///< the tickets of its connections are derived from it

  friend bool operator==(const Joiner&, const Joiner&);
};

/// What a member holds at the moment it stops receiving. It never changes afterwards. Of a channel
/// that it is not in, nothing: no senders.
struct Frozen {
  Rounds received;

  friend bool operator==(const Frozen&, const Frozen&) = default;
};

struct Change {
  View next;                    ///< id: the old one plus 1; members: kept, in their old order, then
                                ///< the joiners; who is in which channel
  RankSet kept;                 ///< of the old view
  RankSet leaving;              ///< of the old view: on request, after delivering up to the trim
  Rounds trim;                  ///< delivered by all survivors, and not a round more
  std::vector<Joiner> joiners;  ///< in the order of their new ranks

  /// Those whose frozen counts make the trim.
  RankSet survivors() const { return kept | leaving; }
  friend bool operator==(const Change&, const Change&);
};

bool operator==(const Joiner& left, const Joiner& right);
bool operator==(const Change& left, const Change& right);

/// Whether everyone is seated where the view has a rank, once, and in no channel from a later view.
/// Part of `check`; for views that come otherwise.
Result<> check_seating(const View& view);

/// The change that keeps `kept` and admits `joiners`, both put in the right order. The trim may be
/// filled in later.
Change make_change(const View& old, const RankSet& kept, const RankSet& leaving,
                   std::vector<Joiner> joiners, Rounds trim);

/// Whether `change` can follow on `old`: Code::invalid with the rule that it breaks.
Result<> check(const Change& change, const View& old);

/// What only the members of the next view know: the secret between two of them of which at least
/// one joins. By their ranks in the next view; the same in either order.
Secret secret_between(const Change& change, Rank one, Rank other);

// --- on the wire. Encoding takes what `check` accepts, decoding yields only what is well formed:
// the rest of `check` needs the old view.

void encode(Writer& to, const Frozen& frozen);
void encode(Writer& to, const Change& change);
void encode(Writer& to, const Joiner& joiner);
void encode(Writer& to, const Member& member);
void encode(Writer& to, const std::vector<Seating>& seatings);
/// For use within a larger message: what follows is left in the reader.
Result<Frozen> decode_frozen(Reader& from);
Result<Change> decode_change(Reader& from);
/// The reader fails where bytes are missing or a limit is passed.
Joiner decode_joiner(Reader& from);
Member decode_member(Reader& from);
std::vector<Seating> decode_seating(Reader& from);

std::vector<std::byte> encode(const Frozen& frozen);
std::vector<std::byte> encode(const Change& change);
/// Refuses trailing bytes.
Result<Frozen> decode_frozen(Bytes bytes);
Result<Change> decode_change(Bytes bytes);

}  // namespace squall::membership
