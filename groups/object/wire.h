#pragma once
// What members of an object say to each other. Through the group's order: calls, a header and
// encoded arguments each. Beside it, to one member: records, as many in one message as there are
// (replies to calls, many small ones in one record; reads and their replies; interfaces). Every
// reader is given hostile bytes by a fuzzer.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"

namespace squall::objects {

/// Whether a call took effect: the method ran (at that replica, where one is named). A method that
/// threw did run; what it left of the state is its own business, the same at every replica.
enum class Effect : std::uint8_t { no, yes, unknown };

/// "no", "yes", "unknown".
std::string_view name(Effect effect);

// --- in the group's order

/// A caller's own numbers of calls.
inline constexpr int call_bits = 29;
using CallNumber = std::uint32_t;

struct CallHeader {
  enum class Kind : std::uint8_t {
    /// Most calls: one word is all that stands before the arguments. `version` is nothing, and
    /// `method` a code of 32 bits (update_codes.h).
    small_update = 1,
    update,
    read,  ///< at the caller only, in its place: a linearizable read while not all listen yet
    // Of clients; the caller is the member that serves them. A SessionHeader comes before the
    // arguments of an update; a session's are its secret, 64 bits.
    client_update,
    client_read,
    client_session,
  };
  Kind kind = Kind::update;
  CallNumber call = 0;  ///< of a client's call: 0
  std::uint32_t version = 0;
  std::uint64_t method = 0;
};

/// What a call begins with: from the lowest bit three of kind, its number, and the version or code.
constexpr std::uint64_t call_word(CallHeader::Kind kind, CallNumber call, std::uint32_t rest) {
  return std::uint64_t{rest} << 32 | std::uint64_t{call} << 3 | static_cast<std::uint64_t>(kind);
}
inline constexpr std::uint64_t call_number_mask = ((std::uint64_t{1} << call_bits) - 1) << 3;
constexpr CallNumber number_in(std::uint64_t word) {
  return static_cast<CallNumber>((word & call_number_mask) >> 3);
}

/// Of all but small updates, in two words.
using CallHead = std::array<std::uint64_t, 2>;
constexpr CallHead encode_call(const CallHeader& header) {
  return {call_word(header.kind, header.call, header.version), header.method};
}

struct CallView {
  CallHeader header;
  std::uint64_t tag = 0;  ///< of a client's call, behind the header: the member's own name for it
  Bytes arguments;        ///< in what was parsed
};

/// nullopt: this is no call.
std::optional<CallView> parse_call(Bytes message);

/// Which update of which client this is: see sessions.h.
struct SessionHeader {
  std::uint64_t session = 0;  ///< the position of the call that opened it
  std::uint64_t secret = 0;  ///< what that call brought: nobody takes another's session by accident
  std::uint64_t sequence = 0;      ///< from 1
  std::uint64_t acknowledged = 0;  ///< the client has the replies of all up to this one
};
static_assert(sizeof(SessionHeader) == 32 && std::is_trivially_copyable_v<SessionHeader>);

/// Takes it off the arguments of a client's update; nullopt: there is none.
inline std::optional<SessionHeader> take_session(Bytes& arguments) {
  SessionHeader header;
  if (arguments.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, arguments.data(), sizeof header);
  arguments = arguments.subspan(sizeof header);
  return header;
}

// --- to one member

struct RecordHeader {
  enum class Kind : std::uint8_t {
    reply = 1,  ///< of a call or a read; the body is an encoded result, or an error
    read,       ///< the body is the interface's version, 32 bits, and encoded arguments
    greeting,   ///< the body is an Interface; who sends it has begun to listen
    interface,  ///< the same, in answer
    how_far,    ///< how far have you executed? `call` is the number of a round (read_rounds.h)
    so_far,     ///< `what` is one more than the version; the body is the view's id, 64 bits
    replies,    ///< of updates that returned `what` bytes each; the body is a run of ReplyItems
  };
  std::uint64_t call = 0;   ///< the caller's own number; of an interface nothing
  std::uint64_t what = 0;   ///< of a reply: the object's version; of a read: the method; or nothing
  std::uint32_t bytes = 0;  ///< of the body
  Kind kind = Kind::reply;
  std::uint8_t failed = 0;  ///< 1: the body is an error
  Effect effect = Effect::no;
  std::uint8_t zero = 0;
};
static_assert(sizeof(RecordHeader) == 24 && std::is_trivially_copyable_v<RecordHeader>);

/// One of a record of replies, and behind it the result.
struct ReplyItem {
  CallNumber call = 0;
};
/// Of one in a record of replies, with its result.
constexpr std::uint64_t reply_item_bytes(std::uint64_t result_bytes) {
  return sizeof(ReplyItem) + result_bytes;
}

struct RecordView {
  RecordHeader header;
  Bytes body;  ///< in what is read
};

/// Reads the records of one message, one after the other.
class RecordReader {
 public:
  explicit RecordReader(Bytes message) : rest_(message) {}
  /// Until the next one. nullptr: there is none any more, or what follows is none; then `ok` is
  /// false.
  const RecordView* next();
  bool ok() const { return ok_; }

 private:
  Bytes rest_;
  RecordView record_;
  bool ok_ = true;
};

/// As it travels; in words, see copy_words.
void store(std::byte* to, const RecordHeader& header);

void append_record(std::vector<std::byte>& to, RecordHeader header, Bytes body);
/// Records that wait to be sent to one member, and a reply may join the one before it.
class RecordBox {
 public:
  void append(RecordHeader header, Bytes body);
  /// Whole records, encoded.
  void append(Bytes records);
  /// Of an update that returned this. Records of replies are no longer than `most` bytes.
  void reply(CallNumber call, Bytes result, std::size_t most) {
    const std::size_t item = reply_item_bytes(result.size());
    if (result.size() != run_.what || used_ - run_at_ + item > most || used_ + item > bytes_.size())
        [[unlikely]]
      begin_run(result.size(), item, most);
    std::byte* const at = bytes_.data() + used_;
    std::memcpy(at, &call, sizeof call);
    if (result.size() == sizeof(std::uint64_t)) [[likely]]
      std::memcpy(at + sizeof(ReplyItem), result.data(), sizeof(std::uint64_t));
    else if (!result.empty())
      std::memcpy(at + sizeof(ReplyItem), result.data(), result.size());
    used_ += item;
  }

  bool empty() const { return used_ == 0; }
  std::size_t size() const { return used_; }
  /// All of it; nothing joins a record of these.
  Bytes seal() {
    end_run();
    return Bytes(bytes_).first(used_);
  }
  void drop_front(std::size_t bytes);
  void clear() {
    used_ = 0;
    run_.what = no_run;
  }

 private:
  static constexpr std::uint64_t no_run = UINT64_MAX;
  std::byte* room(std::size_t bytes);
  void begin_run(std::uint64_t result_bytes, std::size_t item, std::size_t most);
  void end_run();

  std::vector<std::byte> bytes_;  // of which so many are used
  std::size_t used_ = 0;
  // The record of replies at the end that still grows: `what` is no_run if there is none.
  RecordHeader run_{.what = no_run};
  std::size_t run_at_ = 0;
};

/// Texts of errors are cut to this many bytes.
inline constexpr std::size_t most_error_text = 1024;

void encode_error(std::vector<std::byte>& to, const Error& error);
/// Code::lost if this is no error either.
Error decode_error(Bytes body);

/// What a member's class has. Its methods go in the order of their numbers.
struct Interface {
  struct Method {
    std::uint64_t id = 0;
    std::string name;
    friend bool operator==(const Method&, const Method&) = default;
  };
  std::string object;  ///< the class, for people
  std::uint32_t version = 0;
  std::vector<Method> methods;

  friend bool operator==(const Interface&, const Interface&) = default;
  bool has(std::uint64_t method) const;
};

inline constexpr std::size_t most_methods = 4096, most_name_bytes = 200;

std::vector<std::byte> encode_interface(const Interface& interface);
std::optional<Interface> decode_interface(Bytes body);

}  // namespace squall::objects
