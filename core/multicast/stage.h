#pragma once
// The interface of a protocol module at run time. A stage is a pure step: from (now, the frontier
// below, the table) to its own frontier, never further. Stages are built from a view and thrown
// away with it. Called once a turn, never per message. Section 6 of the design.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/mirror/table.h"

namespace squall::multicast {

/// Index into the channel's ordered list of senders.
using SenderIndex = std::uint32_t;

/// Per sender: everything of its rounds below this.
using Frontier = std::span<Round>;
using ConstFrontier = std::span<const Round>;

/// What a stage is built from.
struct Shape {
  Rank members = 0;
  Rank self = 0;
  std::vector<Rank> senders;  ///< in order; a sender's place in here is its SenderIndex
  ViewId view{};

  SenderIndex sender_count() const { return static_cast<SenderIndex>(senders.size()); }
  /// This member's own place among the senders, or sender_count() if it is none.
  SenderIndex own_index() const {
    SenderIndex index = 0;
    while (index < senders.size() && senders[index] != self) ++index;
    return index;
  }
};

struct StageInput {
  Time now;
  ConstFrontier below;     ///< of the stage below; of the lowest stage: what was received
  ConstFrontier received;  ///< what this member holds
  ConstFrontier messages;  ///< a sender's rounds from here up to `received` are all skips
  /// What the whole stack let pass when it was stepped last: all that may have been delivered.
  ConstFrontier passed = {};
};

struct StageOutput {
  Frontier frontier;      ///< to be filled; never beyond `below`, never moves back
  Round promise = 0;      ///< if this member is a sender, it will use no further round below this
  Time deadline = never;  ///< step again by then even if nothing arrives
};

class Stage {
 public:
  virtual ~Stage() = default;
  /// Columns were declared in the constructor; the table is the channel's.
  virtual void step(const StageInput& input, mirror::Table& table, StageOutput& output) = 0;
  /// Who waits for whom: cuts `frontier` to what this stage would let pass if it waited for
  /// `member` only. A stage that waits for no other member's word leaves it as it is.
  virtual void cut_to(Rank member, const mirror::Table& table, Frontier frontier) const {
    static_cast<void>(member), static_cast<void>(table), static_cast<void>(frontier);
  }
};

/// A stretch of one sender's messages: deliver those with rounds below `end`.
struct Run {
  SenderIndex sender = 0;
  Round end = 0;
};

/// The stage that defines the order of delivery. Exactly one per stack, the lowest.
class Order : public Stage {
 public:
  /// Cuts a frontier to the largest one that is a prefix of this order.
  virtual void close(Frontier frontier) const = 0;
  /// Fills `runs`, in order of delivery, with the next stretches on the way to `to` (closed), and
  /// returns how many; 0 when nothing is left. `heads[s]` is the round of the next undelivered
  /// message of s, mirror::no_round if none is known. Runs may turn out empty.
  virtual std::size_t walk(ConstFrontier heads, ConstFrontier to, std::span<Run> runs) const = 0;
};

/// Where a sender publishes: a module that would rather have more first.
class Gather {
 public:
  virtual ~Gather() = default;
  /// When to publish at the latest, if `waiting` bytes have come since then: `since` or earlier for
  /// at once. Never later for more bytes.
  virtual Time due(std::uint64_t waiting, Time since) const = 0;
};

/// What the modules of a configured stack built for one channel, lowest first.
struct Stages {
  std::unique_ptr<Order> order;
  std::vector<std::unique_ptr<Stage>> above;
  std::unique_ptr<Gather> gather;  ///< nullptr: what is committed is published with the next turn
};

}  // namespace squall::multicast
