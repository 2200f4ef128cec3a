#pragma once
// At most once, for those who are no members. A client numbers its updates within a session; every
// replica executes the next number only, and keeps the replies of the last ones until the client
// has said that it has them. So an update that comes twice, through two members, is executed once
// and answered twice. From D. Ongaro, Consensus: Bridging Theory and Practice (2014), section 6.3.
//
// The table is a part of the replicated state: every change of it has its place in the group's
// order, and its limits cost the same sessions at every replica. Pure; one thread at a time.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <unordered_map>
#include <vector>

#include "core/base/bytes.h"
#include "groups/object/wire.h"

namespace squall::objects {

struct SessionLimits {
  std::size_t sessions = 4096;                     ///< more cost the least recently used one
  std::size_t replies = 64;                        ///< of one session; more cost its oldest
  std::size_t bytes = std::size_t{16} << 20;       ///< of all replies; more cost sessions, as above
  std::size_t reply_bytes = std::size_t{1} << 16;  ///< of one: what may be recorded
};

/// What an update left, as it was or will be told to the client.
struct RecordedReply {
  std::uint64_t sequence = 0;
  std::uint64_t version = 0;  ///< the update's position in the group's order
  bool failed = false;        ///< then the bytes are an encoded error
  Effect effect = Effect::no;
  std::vector<std::byte> bytes{};

  friend bool operator==(const RecordedReply&, const RecordedReply&) = default;
};

class Sessions {
 public:
  enum class Verdict : std::uint8_t {
    execute,    ///< it is the next one: execute it, then `record`
    answered,   ///< it was executed before: here is the reply
    forgotten,  ///< it was executed, and its reply acknowledged or pushed out since
    early,      ///< one before it has not come yet
    unknown,    ///< there is no such session (any more)
  };
  struct Judged {
    Verdict verdict{};
    const RecordedReply* reply = nullptr;  ///< of answered; until the next call
  };

  explicit Sessions(SessionLimits limits = {}) : limits_(limits) {}

  /// The position of what opens it is the session's number.
  void open(std::uint64_t position, std::uint64_t secret);
  /// Takes note of what is acknowledged, also by what is not to be executed. Once more: the same.
  Judged judge(const SessionHeader& update);
  /// After `execute`: of that session, and of the sequence that was judged.
  void record(std::uint64_t session, RecordedReply reply);
  void clear();

  std::size_t size() const { return sessions_.size(); }
  std::size_t reply_bytes() const { return bytes_; }

  /// Equal tables give equal bytes.
  std::vector<std::byte> save() const;
  /// At most this many bytes.
  std::size_t most_saved_bytes() const;
  /// False: this is no table; then there is an empty one.
  bool load(Bytes from);

 private:
  struct Session {
    std::uint64_t id = 0;
    std::uint64_t secret = 0;
    std::uint64_t last = 0;             // executed
    std::deque<RecordedReply> replies;  // of the last ones, in order
  };
  using Order = std::list<Session>;  // least recently used first

  void drop_oldest_reply(Session& session);
  void drop(Order::iterator session);
  void keep_limits();

  SessionLimits limits_;
  Order sessions_;
  std::unordered_map<std::uint64_t, Order::iterator> by_id_;
  std::size_t bytes_ = 0;
};

}  // namespace squall::objects
