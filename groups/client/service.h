#pragma once
// What lies between the desk, which speaks with a member's clients, and the replicas there, which
// do what clients want. Both ends are used where the node turns.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "groups/client/wire.h"
#include "groups/object/wire.h"

namespace squall::clients {

/// The desk's number for something that it asked a service for; never reused.
using Tag = std::uint64_t;

struct Answer {
  enum class Kind : std::uint8_t {
    value,    ///< `bytes` are an encoded result
    error,    ///< `bytes` are an encoded error
    session,  ///< `version` is its number
    expired,  ///< the session is unknown
    gap,      ///< an update before this one has not come
  };
  Kind kind{};
  Effect effect = Effect::no;
  std::uint64_t version = 0;  ///< plus 1; 0: none
  Bytes bytes{};              ///< during the call
};

class Service;

/// The desk, as services see it.
class Answers {
 public:
  virtual ~Answers() = default;
  /// Of a tag that nobody waits for any more: nothing.
  virtual void answer(Tag tag, const Answer& answer) = 0;
  /// To all clients that have opened it and listen.
  virtual void notify(Service& service, Bytes notice) = 0;
  /// It may serve no longer whom it has served.
  virtual void look_again(Service& service) = 0;
};

/// A group's replica, as the desk sees it.
class Service {
 public:
  virtual ~Service() = default;

  /// nullopt: it serves that; `desk` outlives the node's turning.
  virtual std::optional<Away> client_opens(const Opening& opening, Answers& desk) = 0;
  /// One more than the position of the last update executed here.
  virtual std::uint64_t client_version() const = 0;

  // Each of these is answered with its tag, perhaps before it returns; or not at all, if this
  // member comes to be none of the group. An error: nothing was done. Code::would_block: not now.

  virtual Result<> client_session(Tag tag, std::uint64_t secret) = 0;
  virtual Result<> client_update(Tag tag, const objects::SessionHeader& session,
                                 std::uint64_t method, Bytes arguments) = 0;
  /// What cannot be executed takes its number all the same: this error is its reply.
  virtual Result<> client_refuses(Tag tag, const objects::SessionHeader& session,
                                  const Error& why) = 0;
  /// Here and now.
  virtual void client_read(Tag tag, std::uint64_t method, Bytes arguments) = 0;
  /// In its place in the order.
  virtual Result<> client_read_in_order(Tag tag, std::uint64_t method, Bytes arguments) = 0;
};

}  // namespace squall::clients
