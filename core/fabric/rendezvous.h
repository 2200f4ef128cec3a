#pragma once
// The rendezvous: how the members of a configuration find each other before they have a fabric.
// Over plain connections, the same whatever the fabric, they exchange wire version, names, the
// group's digest, fabric addresses and a ticket; who does not fit is refused with the reason, at
// both ends. The connections stay open afterwards, as hints of liveness.
//
// Guests: a process that is outside of the roster, or comes when the roster has long met, may visit
// any of its members and talk to it (core/membership/admission, by which it joins). Both ends have
// then checked wire version and layout, and that neither plays back a recording; no more.
//
// What it is not: authentication. It keeps out strangers, mistakes, other versions and replays of
// what was recorded, not someone who reads the wire and answers in its place.
//
// One thread at a time; nothing blocks. Time is an argument.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/fabric/fabric.h"

namespace squall::fabric {

/// What a `Fabric::address()` is the answer to: hand `address` to `connect` of the same provider.
struct FabricAddress {
  std::string provider;  ///< "shm", "tcp", "ofi:NAME", ...
  std::string address;   ///< opaque bytes
};

/// What a member says of itself.
struct Introduction {
  std::string name;  ///< as in the roster
  NodeId id{};       ///< node_id(name); anything else is refused
  Incarnation incarnation{};
  std::uint64_t group_digest = 0;  ///< of members, groups, stacks, senders, ring sizes
  /// What was digested, a line for each fact, so that a refusal can say what differs.
  std::string group_text;
  std::string host;  ///< equal on one host (topology.h, host_identity), so that "auto" can pick shm
  std::vector<FabricAddress> fabrics;
};

/// Who is expected, in rank order; the same at every member.
struct RosterMember {
  std::string name;
  std::string address;  ///< "host:port" or "[v6]:port"
};
using Roster = std::vector<RosterMember>;

/// What guests and those whom they visit must share: everything that is configured but the roster.
/// Takes the place of group_digest and group_text between them.
struct Layout {
  std::uint64_t digest = 0;
  std::string text;
};

/// A line to a guest, or to whom this node visits; never reused.
using LineId = std::uint64_t;

/// A member's id for good: a digest of its configured name.
NodeId node_id(std::string_view name);

class Rendezvous {
 public:
  /// `Event::rank` of one who did not say who it is.
  static constexpr Rank unknown_rank = ~Rank{0};

  struct Event {
    enum class Kind : std::uint8_t {
      introduced,   ///< both ends know each other: who, ticket. Again if it was gone meanwhile:
                    ///< look at the incarnation to know whether it is the same run
      refused,      ///< a member that this node called refused it, or does not fit: error says
                    ///< why. It is not called again
      turned_away,  ///< somebody called this node and was refused: error says why. Anyone can
                    ///< cause it, so it is a thing to log; a member may yet come
      gone,         ///< an introduced member's connection ended without a goodbye: it most likely
                    ///< died. It may be introduced again
      left,         ///< an introduced member said goodbye; error.what is its text
      guest,        ///< somebody visits this node: line, who
      welcomed,     ///< a visit of this node's is received: line, rank, who
      said,         ///< the other end of a guest's line or a visit said `bytes`
      ended,        ///< a guest's line or a visit is over: line, error says why. If the other end
                    ///< said why, error.code is its own; Code::unavailable if nobody is there
    };
    Kind kind{};
    Rank rank = unknown_rank;
    Introduction who{};  ///< of introduced, guest, welcomed
    Ticket ticket{};     ///< of introduced: the same at both ends, from the randomness of both
    Error error{};       ///< of refused, turned_away, gone, left, ended
    LineId line = 0;     ///< of guest, welcomed, said, ended
    std::vector<std::byte> bytes{};  ///< of said
  };

  virtual ~Rendezvous() = default;

  /// Makes progress and appends what happened. Call it when `fd` is readable and at `deadline`.
  virtual void poll(Time now, std::vector<Event>& events) = 0;
  /// One descriptor for poll(2) or epoll; -1 if there is none to wait on.
  virtual int fd() const = 0;
  /// When `poll` is due at the latest, even if nothing arrives.
  virtual Time deadline() const = 0;

  /// Who is not here and why: "b (10.0.0.2:7070: connection refused), c (10.0.0.3:7070: has not
  /// called yet)". Empty when everyone is introduced.
  virtual std::string missing() const = 0;

  /// Calls the member of `rank` as a guest: `welcomed` or `ended` follows, with this line.
  virtual LineId visit(Rank rank) = 0;
  /// To a guest, or to whom this node visits: at most Limits::word_bytes, in order. A line that is
  /// over takes nothing.
  virtual void say(LineId line, Bytes bytes) = 0;
  /// This node is another run from here on, for those whom it visits; only if it gathers nobody.
  virtual void renew(Incarnation incarnation) = 0;
  /// Ends such a line; the other end is told why. No event follows.
  virtual void dismiss(LineId line, const Error& why) = 0;

  /// Says goodbye to everyone introduced and stops listening and calling; at most
  /// `Limits::goodbye_bytes` of text. No events come afterwards.
  virtual void leave(std::string_view text) = 0;
};

}  // namespace squall::fabric
