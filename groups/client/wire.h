#pragma once
// What a client and the member that serves it say to each other. The words of a guest's line
// (core/fabric/rendezvous.h), put end to end, are a stream of records each way, whose handshake has
// checked wire version and layout before. A client begins with `hello`, which no other guest says.
// Every reader is given hostile bytes by a fuzzer.
//
//   client                                     member
//   hello                                   →
//                                           ←  ready
//   open (object, shard)                    →
//                                           ←  opened, or away (why, and who has that shard)
//   listen                                  →
//   session                                 →
//                                           ←  session
//   update, read                            →
//                                           ←  updated, answered, expired
//                                           ←  notice
//   taken, ping                             →
//                                           ←  pong

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "groups/object/wire.h"

namespace squall::clients {

using objects::Effect;

/// A client's number for a shard of an object; the member's only between the two of them.
using TargetId = std::uint32_t;

struct RecordHeader {
  enum class Kind : std::uint8_t {
    // of clients
    hello = 1,  ///< what: `magic`
    open,       ///< target; flag: and listen; the body is an Opening
    listen,     ///< target: wants notices
    session,    ///< target; what: its secret. Back: number: its id
    update,     ///< target, number: sequence, what: method, more: acknowledged; the body is a
                ///< session's id and secret, 64 bits each, and encoded arguments
    read,       ///< target, number, what: method, more: the version to have at least, plus 1;
                ///< flag: linearizable; the body is encoded arguments
    taken,      ///< number: bytes of the stream that have arrived
    ping,
    // of members
    ready,     ///< it serves clients
    opened,    ///< target
    away,      ///< target: not served here, or no longer; the body is an Away
    updated,   ///< target, number: sequence, what: version plus 1, more: session; the body is an
               ///< encoded result, or an error
    answered,  ///< target, number, what: version plus 1; the body as of updated
    expired,   ///< target, number: sequence, more: session: it is unknown (any more)
    notice,    ///< target; the body is the application's
    pong,
  };
  std::uint32_t bytes = 0;  ///< of the body
  Kind kind{};
  std::uint8_t flag = 0;  ///< 1: see above; of replies: the body is an error
  Effect effect = Effect::no;
  std::uint8_t zero = 0;
  TargetId target = 0;
  std::uint32_t zero_too = 0;
  std::uint64_t number = 0;
  std::uint64_t what = 0;
  std::uint64_t more = 0;
};
static_assert(sizeof(RecordHeader) == 40 && std::is_trivially_copyable_v<RecordHeader>);

/// "squall c": the first word of a joiner begins otherwise (core/membership/admission_wire.h).
inline constexpr std::uint64_t magic = 0x63206c6c61757173;

struct RecordView {
  RecordHeader header;
  Bytes body;
};

/// What a client may say in one record: arguments of an update go into one message of the group.
inline constexpr std::size_t most_request_bytes = std::size_t{256} << 10;
/// What a member may: a reply, a notice.
inline constexpr std::size_t most_reply_bytes = std::size_t{512} << 10;
/// The stream is cut into words of this, at most: what a guest may say.
inline constexpr std::size_t word_bytes = std::size_t{16} << 10;
/// Of the stream to a client that it has not said to have taken.
inline constexpr std::size_t most_untaken_bytes = std::size_t{512} << 10;
/// A client says so after this many.
inline constexpr std::size_t taken_every_bytes = std::size_t{64} << 10;
/// What a client may have on its way and not answered, less than a member accepts.
inline constexpr std::size_t most_unanswered = 256;
inline constexpr std::size_t most_unanswered_bytes = std::size_t{256} << 10;
/// Updates of one session that are on their way; the sessions' table keeps as many replies.
inline constexpr std::size_t most_unanswered_updates = 64;
/// Objects and shards of one client at one member.
inline constexpr std::size_t most_targets = 256;

/// The records of a stream that comes in words.
class Stream {
 public:
  explicit Stream(std::size_t most_body) : most_body_(most_body) {}

  void feed(Bytes word);
  /// nullopt: there is no whole one (yet), or what follows is none: then `ok` is false for good.
  /// The body is valid until `feed`.
  std::optional<RecordView> next();
  bool ok() const { return ok_; }

 private:
  std::size_t most_body_;
  std::vector<std::byte> buffer_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

void append(std::vector<std::byte>& to, RecordHeader header, Bytes body = {});

/// This word is a client's first.
bool begins_client(Bytes word);

/// Which object is meant, and what the client takes it for.
struct Opening {
  std::string group;  ///< empty: none, it asks for the member itself
  std::uint32_t shard = 0;
  std::uint32_t version = 0;  ///< of the object's interface
  std::string object;         ///< the class, for people

  friend bool operator==(const Opening&, const Opening&) = default;
};
std::vector<std::byte> encode(const Opening& opening);
std::optional<Opening> decode_opening(Bytes body);

/// Why an object is not served here, and by whom it is.
struct Away {
  Error why;
  std::vector<std::string> members;  ///< who has that shard, if this one knows
};
std::vector<std::byte> encode(const Away& away);
/// Texts are made printable.
std::optional<Away> decode_away(Bytes body);

}  // namespace squall::clients
