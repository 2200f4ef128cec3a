#pragma once
// Messages of a pair, whichever fabric carries them: numbered per lane, kept until the peer says
// that it has them, and put in order where they come. A pair that moves sends again what was not
// acknowledged, and the peer drops what it has: nothing is lost, repeated or reordered. Pure.

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"

namespace squall::mixed {

/// What precedes every message between mixed peers.
struct Header {
  enum class Kind : std::uint64_t {
    message = 1,
    acknowledgement,  ///< nothing follows; `number` is 0
    /// The sender is done with a fabric, which the text behind it names, and whatever the peer sent
    /// there and is not acknowledged must come again. `number` is 0.
    moved,
    /// The sender has just imported the region of that number over this link, and wants to know
    /// when it has been told what was pushed upon that. Nothing follows.
    ask,
    told,  ///< the answer: it comes behind those pushes. Nothing follows
  };
  static constexpr std::size_t wire_bytes = 24;

  Kind kind{};
  std::uint64_t number = 0;        ///< of a message, from 0; of a region
  std::uint64_t acknowledged = 0;  ///< so many of the peer's messages on this lane have come
};

using Frame = std::shared_ptr<std::vector<std::byte>>;

Frame encode(const Header& header, Bytes body);
/// nullopt: too short, of no kind, or a number or a body where there is to be none.
std::optional<Header> decode_header(Bytes frame);

/// One lane's messages to a peer.
class Outgoing {
 public:
  // A lane holds this much, or one message of any size.
  static constexpr std::size_t most_bytes = std::size_t{1} << 20;
  static constexpr std::size_t most_messages = 4096;

  struct Message {
    std::uint64_t number = 0;
    Frame frame;
    /// Must come behind what was pushed over this link, as long as there is that link.
    std::optional<std::size_t> behind{};
    bool quiet = false;  ///< the peer need not be woken for it
  };

  bool has_room(std::size_t bytes) const {
    return kept_.empty() || (kept_.size() < most_messages && bytes_ + bytes <= most_bytes);
  }
  void add(Bytes message, std::uint64_t acknowledged, std::optional<std::size_t> behind,
           bool quiet = false);
  /// The first that was not given to a link, or nullptr.
  const Message* next() const { return next_ < kept_.size() ? &kept_[next_] : nullptr; }
  void sent() { ++next_; }
  /// False if the peer cannot have so many.
  bool acknowledge(std::uint64_t count);
  /// A link was lost: everything that is not acknowledged goes out anew.
  void again() { next_ = 0; }
  bool idle() const { return next() == nullptr; }

 private:
  std::deque<Message> kept_;
  std::size_t next_ = 0;  // in kept_
  std::size_t bytes_ = 0;
  std::uint64_t number_ = 0;
};

/// One lane's messages from a peer.
class Incoming {
 public:
  enum class Order : std::uint8_t {
    next,        ///< take it, then `advance`
    early,       ///< `hold` it: another is on its way over another link
    repeated,    ///< drop it
    impossible,  ///< no peer has that many unacknowledged
  };
  Order order(std::uint64_t number) const;
  void advance(std::size_t bytes);
  /// False if that is more than any peer sends unacknowledged.
  bool hold(std::uint64_t number, Bytes message);
  /// The next one, if it is held: then `advance` was done.
  std::optional<std::vector<std::byte>> take_held();

  std::uint64_t count() const { return count_; }
  /// The peer's lane will soon be full, and nothing has told it.
  bool owes_acknowledgement() const {
    return owed_bytes_ >= Outgoing::most_bytes / 4 || count_ - told_ >= Outgoing::most_messages / 4;
  }
  /// `count` goes out with something.
  void told() {
    told_ = count_;
    owed_bytes_ = 0;
  }

 private:
  std::uint64_t count_ = 0, told_ = 0;
  std::size_t owed_bytes_ = 0;
  std::size_t held_bytes_ = 0;
  std::map<std::uint64_t, std::vector<std::byte>> held_;
};

}  // namespace squall::mixed
