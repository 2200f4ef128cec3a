#pragma once
// One group's multicast in one view. `claim` and `commit` may be called from any thread; all else
// where the engine turns. The fabric outlives the channel.
//
// It ends with its view: `freeze` (takes nothing more), then `close` (delivers what the members of
// the next view agreed on, and nothing else), then `past` says what the next view's channel must
// know. The rings' writer lives on: what was not delivered is published again by the next channel.
//
// A turn is `exchange` (publish, receive, step the stages, push) for every channel, one flush of
// the fabric, then `deliver`: peers get this member's counters before the application gets the
// messages, so a slow upcall holds up nobody's stability.

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/base/view.h"
#include "core/fabric/fabric.h"
#include "core/mirror/ring_reader.h"
#include "core/mirror/ring_writer.h"
#include "core/mirror/table.h"
#include "core/multicast/bulk/transfers.h"
#include "core/multicast/codec.h"
#include "core/multicast/delivery.h"
#include "core/multicast/stage.h"

namespace squall::multicast {

/// Builds a stack's stages; they declare their columns in `layout`.
using StageFactory = std::function<Stages(const Shape& shape, mirror::TableLayout& layout)>;

/// What a member brings into a view from the one before.
struct Past {
  /// By sender of the new view: its next message's number. Repeats below it are dropped. Empty, or
  /// 0: whatever the sender begins with.
  std::vector<MessageNumber> next_numbers;
  /// Of the next delivery. A joiner does not know it; it learns it from the others' rows.
  std::optional<std::uint64_t> position;
};

/// How far one member is behind, as another knows it.
struct Lag {
  /// Of what that other holds, all senders together: what the stack waits for this member to hold.
  std::uint64_t rounds = 0;
  /// Of the ring where it is most: what another member's application has taken and this one's has
  /// not. Of the member that is asked, all that is published counts, if any of it is deliverable.
  std::uint64_t ring_bytes = 0;
};

struct ChannelOptions {
  ViewId view{};
  std::uint16_t index = 0;  ///< of the channel in its view: part of its regions' names
  Shape shape;
  /// By rank in the channel, what the application calls that member. Empty: the same.
  std::vector<Rank> ranks = {};
  std::size_t ring_bytes = 0;
  /// Rewound for this view; nullptr if this member is no sender. Outlives the channel.
  mirror::RingWriter* writer = nullptr;
  Past past{{}, 0};
  Codecs codecs{};  ///< what senders have encoded with, before it came into the ring
  bulk::Home bulk{};
};

/// What whoever turns a channel knows. Leaving it out costs time, and nothing else.
struct Hints {
  bool quiet = false;    ///< there was no `news` a moment ago
  bool crowded = false;  ///< more engines than cores run here, and every piece costs them calls
};

class Channel {
 public:
  /// `peers[rank]`: that member's connection; the entry at self is ignored.
  static Result<std::unique_ptr<Channel>> create(fabric::Fabric& fabric,
                                                 const std::vector<fabric::PeerId>& peers,
                                                 const ChannelOptions& options,
                                                 const StageFactory& factory);
  ~Channel();

  const Shape& shape() const { return shape_; }
  /// nullptr if this member is no sender of the channel.
  mirror::RingWriter* writer() { return writer_; }

  // --- where the engine turns

  /// A peer has a replica of one of this channel's regions: it is brought up to date. False if the
  /// region is not of this channel.
  bool attached(fabric::PeerId peer, fabric::RegionId region);
  /// What a member says of large objects, without the channel's number.
  void on_message(Rank from, Bytes message);
  /// That peer has replicas of all that this member shows.
  bool shown_to(fabric::PeerId peer) const {
    return attached_.contains({peer, row_region_}) &&
           (!writer_ || attached_.contains({peer, ring_region_}));
  }
  /// Every peer has.
  bool ready() const { return attached_.size() >= needed_attachments_; }

  struct Turned {
    bool worked = false;
    bool deliverable = false;  ///< something may be waiting for `deliver`
    Time deadline = never;
  };
  Turned exchange(Time now, Hints hints = {});
  /// An exchange may find something to do. Asked of every channel with every turn, so that idle
  /// ones cost next to nothing.
  bool due(Time now, Hints hints = {}) const {
    return stirred_ || now >= due_at_ || (!hints.quiet && peers_moved()) ||
           (!rests() && (pending() || short_of_space() || (bulk_ && bulk_->due())));
  }
  /// When it will be due if nothing comes.
  Time due_at() const { return due_at_; }
  /// `deliver` may find something.
  bool deliverable() const { return deliverable_moved_; }
  /// Something that an exchange looks at has come since the last one: a peer's counters have moved,
  /// or there are frames to publish. Cheap enough to spin on.
  bool news() const {
    return !frozen_ && (peers_moved() || (!rests() && (pending() || (bulk_ && bulk_->news()))));
  }
  /// Something was claimed that is not published yet, and waits neither for more to come nor for a
  /// large object.
  bool pending() const {
    return writer_ && writer_->pending() && !writer_->held_up() &&
           (!stages_.gather || waiting_since_ == never || full());
  }
  /// Publishes between two exchanges; the next one takes note of it.
  void publish_now();
  /// From here on nothing waits for more to come: somebody wants to go.
  void hurry() { hurries_ = stirred_ = true; }
  /// Delivers what the stack allows, at most `limit` messages; returns how many.
  std::size_t deliver(const DeliverFunction& upcall, std::size_t limit);

  /// Wedge: takes what the members have shown so far and nothing afterwards, and shows nothing more
  /// itself. Call it before the members are disconnected: their memory may be changing while it is
  /// fenced, so their counters must be read before. What was deliverable may still be delivered.
  void freeze(Time now);
  bool frozen() const { return frozen_; }
  /// After `freeze`: what lies below `trim` is deliverable, whatever the stack says, and what lies
  /// beyond is skips. False if that is not what this member holds, or less than it delivered as
  /// stable.
  bool close(ConstFrontier trim);
  /// Everything deliverable is delivered. A joiner that never learned where the order stands
  /// delivers nothing of this view.
  bool exhausted() const { return !deliverable_moved_ || !position_known_; }
  /// After that: by sender of this view, and what a next channel of this member must know.
  Past past() const;

  /// The rank of a member whose ring or counters cannot be right, once one was seen.
  std::optional<Rank> culprit() const { return culprit_; }

  /// There is a culprit, or it is adrift.
  bool upset() const { return culprit_.has_value() || adrift_; }

  /// Every member has delivered everything that this one published (and nothing is unpublished).
  bool drained();
  std::uint64_t delivered() const { return position_; }
  /// Every member has said that it does not know where the order stands: they all came into a view
  /// whose others died before they could tell. Nothing will ever be delivered here.
  bool adrift() const { return adrift_; }
  /// What this member holds: what it would freeze for the next view.
  ConstFrontier received() const { return received_; }
  /// By rank, this member too. Reads everyone's row, so only for who asks.
  std::vector<Lag> lags() const;

 private:
  Channel(fabric::Fabric& fabric, const ChannelOptions& options);

  struct Source {  // one sender's ring, seen from here
    Rank rank = 0;
    Rank called = 0;  // by the application
    const std::byte* ring = nullptr;
    std::optional<mirror::RingReader> reader;  // once its owner has told where it begins
    MessageNumber next_number = 0;
    MessageNumber fresh = 0;  // below it: repeats of what was delivered in an earlier view
    Position consumed = 0;    // as told in my row
    Position told = 0;        // as of the last loud raise
  };

  bool peers_moved() const { return table_->shown(watched_) != shown_; }
  /// Nothing was claimed since the last exchange, which left nothing to do.
  bool rests() const { return settled_ && (!writer_ || writer_->claimed() == settled_at_); }
  /// What peers have taken is worth looking at: reading everyone's row costs cache misses.
  bool short_of_space() const { return writer_ && writer_->free_bytes() <= ring_bytes_ / 2; }
  void begin_own(Source& source);
  bool begin(Source& source);
  bool find_position();
  bool publish();
  bool gathers(Time now, Time& deadline);
  bool collects();
  bool full() const {
    return hurries_ || stages_.gather->due(writer_->waiting(), Time{}) <= Time{};
  }
  bool receive();
  void step(Time now, Time& deadline);
  void reclaim();
  /// Delivers along the order's walk, up to position `end`.
  template <bool decodes>
  void deliver_runs(const DeliverFunction& upcall, std::uint64_t end);
  /// Delivers a run up to position `end`; false if it stopped early. Hot; by itself it has all
  /// registers.
  template <bool decodes>
  [[gnu::noinline]] bool deliver_run(const Run& run, const DeliverFunction& upcall,
                                     std::uint64_t end);
  Position least_consumed() const;
  bool turn_bulk();
  void count_bytes(SenderIndex sender, std::vector<Lag>& lags) const;

  // All that an idle channel is asked with every turn, on one cache line: of dozens that do nothing
  // hardly anything else is read, or a node that sleeps would pay for them with every heartbeat.
  alignas(mirror::cache_line_bytes) Time due_at_ = never;
  std::unique_ptr<mirror::Table> table_;
  mirror::Column watched_;   // what peers wait for: all but consumed_ and start_
  std::uint64_t shown_ = 0;  // by the peers in watched_, when the last exchange began
  mirror::RingWriter* writer_;
  Position settled_at_ = 0;
  bool settled_ =
      false;  // when that much was claimed: all is published, there is space, no object is due
  bool stirred_ = true;  // something was done since the last exchange, or in it
  bool frozen_ = false;
  bool deliverable_moved_ = false;

  fabric::Fabric& fabric_;
  Shape shape_;
  SenderIndex own_;  // sender_count() if none
  fabric::RegionId row_region_;
  fabric::RegionId ring_region_;
  std::size_t ring_bytes_;

  // Columns of the table.
  mirror::Column published_;   // 1: bytes of my ring
  mirror::Column next_round_;  // 1: nothing more below it
  mirror::Column messages_;    // 1: the round behind my last message; from there on only skips
  mirror::Column consumed_;    // per sender: bytes that I am done with
  // Where I stand at the view's begin: the ring's position and the number of my first message, both
  // plus 1, so that 0 is "not told yet"; the position of the next delivery, if I know it.
  mirror::Column start_;
  static constexpr std::uint32_t ring_start = 0, number_start = 1, position_start = 2;

  Stages stages_;
  Position writer_start_ = 0;
  std::vector<Source> sources_;

  Round my_next_round_ = 0;
  std::vector<Round> received_;      // per sender
  std::vector<Round> message_ends_;  // per sender; see StageInput::messages
  std::vector<Round> deliverable_;   // what the top of the stack allows, closed under the order
  std::vector<Round> scratch_;
  std::vector<Round> heads_;
  std::vector<Run> runs_;
  std::uint64_t position_ = 0;
  bool position_known_ = false;
  bool adrift_ = false;
  Time quiet_deadline_ = never;
  /// Who has which of my regions. A pair that moves to another fabric attaches again.
  std::set<std::pair<fabric::PeerId, fabric::RegionId>> attached_;
  std::size_t needed_attachments_ = 0;
  std::optional<Rank> culprit_;

  // What only some channels have, behind all that every one uses.
  std::optional<bulk::Transfers> bulk_;
  Codecs codecs_;
  Codecs::Scratch decoded_;
  std::size_t most_message_bytes_;
  // Of who gathers: when the first of what is not published was seen.
  Time waiting_since_ = never;
  bool leftover_ = false;  // some of that is of the view before
  bool hurries_ = false;
};

}  // namespace squall::multicast
