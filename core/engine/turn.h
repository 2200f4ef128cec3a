#pragma once
// One node as a state machine: connects the peers of a view, builds the channels, turns them, and
// stops when a member is lost. Pure: the fabric is an interface, time an argument, the next
// deadline a returned value. Used by one thread at a time.

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/time.h"
#include "core/base/view.h"
#include "core/fabric/fabric.h"
#include "core/mirror/table.h"
#include "core/multicast/channel.h"

namespace squall::engine {

/// How to reach a member: what the rendezvous learned.
struct Contact {
  std::string fabric_address;
  fabric::Ticket ticket{};
};

/// A channel to be built once every peer is connected.
struct ChannelPlan {
  std::string name;
  std::vector<Rank> senders;
  std::size_t ring_bytes = 0;
  multicast::StageFactory factory;
};

class Turn {
 public:
  enum class Phase : std::uint8_t {
    connecting,  ///< until every peer is connected
    attaching,   ///< until every peer has replicas of this member's memory
    running,
    stopped,  ///< for good; `failure` says why, if it was not in good order
  };
  struct Outcome {
    bool worked = false;
    Time deadline = never;  ///< turn again by then even if nothing arrives
  };

  /// `contacts[rank]`; the entry of `self` is ignored. The fabric outlives the Turn.
  Turn(fabric::Fabric& fabric, View view, Rank self, std::vector<Contact> contacts,
       std::vector<ChannelPlan> plans);
  ~Turn();

  /// One turn. `events` are what the fabric's poll just returned.
  Outcome run(Time now, std::span<const fabric::Event> events);

  Phase phase() const { return phase_; }
  const std::optional<Error>& failure() const { return failure_; }
  /// The member whose loss made this one stop, if one did.
  std::optional<Rank> lost_member() const { return lost_member_; }
  /// While connecting or attaching: the members that are missing, by name.
  std::string waiting_for() const;

  const View& view() const { return view_; }
  Rank self() const { return self_; }
  std::size_t channel_count() const { return plans_.size(); }
  /// From phase `attaching` on; nullptr before.
  multicast::Channel* channel(std::size_t index) {
    return index < channels_.size() ? channels_[index].get() : nullptr;
  }
  /// Until it is set, nothing is delivered on that channel, and its rings push back.
  void on_deliver(std::size_t channel, multicast::DeliverFunction upcall);

  /// Another source of evidence (the rendezvous) says that a member is gone.
  void lose(Rank member, std::string_view reason);
  /// Stops now, without a word to the others.
  void stop(Error error);
  /// Begins to leave in good order: no sends from here on. `finished` becomes true once every
  /// member has done the same and everything is delivered everywhere.
  void finish() { finishing_ = true; }
  bool finished() const { return finished_; }
  /// The ranks that have not finished yet, by name.
  std::string unfinished() const;

 private:
  struct Peer {
    std::optional<fabric::PeerId> id;  // none: never dialled
    bool connected = false;
    bool lost = false;
    bool attached = false;  // to the node's own row
  };

  void connect(const std::vector<Contact>& contacts);
  void handle(const fabric::Event& event);
  void build();
  void turn_channels(Time now, Outcome& outcome);
  /// True if it got a step further: another turn may get the next.
  bool turn_finish();
  std::optional<Rank> rank_of(fabric::PeerId peer) const;
  std::string names_of(const std::function<bool(Rank)>& wanted) const;

  fabric::Fabric& fabric_;
  View view_;
  Rank self_;
  std::vector<ChannelPlan> plans_;
  std::vector<Peer> peers_;  // by rank
  Phase phase_ = Phase::connecting;
  Time now_{};  // of the current turn
  std::optional<Error> failure_;
  std::optional<Rank> lost_member_;

  // The node's own row: how far each member has come with leaving.
  std::unique_ptr<mirror::Table> table_;
  mirror::Column leaving_;  // 0, or one of the stages in turn.cc
  std::vector<std::unique_ptr<mirror::RingWriter>> writers_;
  std::vector<std::unique_ptr<multicast::Channel>> channels_;
  std::vector<multicast::DeliverFunction> upcalls_;
  bool finishing_ = false;
  bool finished_ = false;
};

}  // namespace squall::engine
