#pragma once
// One view's life at one member: connects the others, builds the channels and the node's own table,
// turns them, and ends with the view: `freeze`, `cut`, then `close` at the trim, until `exhausted`.
// Built from a view and thrown away with it. Pure, as the turn that owns it.
//
// Its connections carry mirrors only, and are cut when it freezes: whatever the others do with
// their memory afterwards, what was frozen stays as it was.

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/rank_set.h"
#include "core/base/time.h"
#include "core/base/view.h"
#include "core/engine/channel_plan.h"
#include "core/engine/contact.h"
#include "core/engine/handover.h"
#include "core/engine/pace.h"
#include "core/fabric/fabric.h"
#include "core/membership/change.h"
#include "core/mirror/ring_writer.h"
#include "core/mirror/table.h"
#include "core/multicast/channel.h"

namespace squall::engine {

class Epoch {
 public:
  /// By channel. A writer is nullptr where this member does not send, now.
  struct Inheritance {
    std::vector<mirror::RingWriter*> writers;
    std::vector<multicast::Past> pasts;
    std::vector<multicast::bulk::Home> homes;
  };

  /// `contacts[rank]`: how to reach it; self's is ignored. All references outlive the epoch.
  static Result<std::unique_ptr<Epoch>> create(fabric::Fabric& fabric, const View& view, Rank self,
                                               std::span<const Contact> contacts,
                                               const std::vector<ChannelPlan>& plans,
                                               Inheritance inheritance, Pace& pace);
  ~Epoch();

  const View& view() const { return view_; }
  /// The members whose addresses are none, or that cannot be dialled from here: the epoch never
  /// runs.
  const std::vector<std::pair<Rank, Error>>& unreachable() const { return unreachable_; }
  std::optional<Rank> rank_of(fabric::PeerId peer) const;
  /// An event of one of its peers; not `lost`.
  Result<> handle(Rank rank, const fabric::Event& event);
  /// That connection is lost: its memory is fenced, and nothing else follows.
  void lose(Rank rank);
  const RankSet& lost() const { return lost_; }

  struct Turned {
    bool worked = false;
    bool upset = false;  ///< there may be a culprit, or it is adrift
    Time deadline = never;
  };
  /// Exchanges, flushes, delivers. Nothing is delivered while `hold` says so.
  Turned turn(Time now, const Upcalls& upcalls, bool hold, multicast::Hints hints = {});
  /// One of the channels has news.
  bool news() const {
    return std::ranges::any_of(mine_, [](const Mine& mine) { return mine.channel->news(); });
  }
  /// Whose counters or frames cannot be right, once anyone's were.
  std::optional<Rank> culprit() const;

  /// In one of the channels nobody is left who knows where its order stands.
  bool adrift() const {
    return std::ranges::any_of(mine_, [](const Mine& mine) { return mine.channel->adrift(); });
  }

  /// Publishes what there is and flushes, between two turns.
  void publish_now();

  /// Every member has everyone's replicas, as far as this member can tell.
  bool running() const;
  /// Until then: those that are missing.
  RankSet missing() const;

  // --- the end of the view

  /// What it holds at this moment: what `freeze` would say.
  membership::Frozen held() const;
  /// Takes nothing more. `cut` next, unless the node ends here anyway.
  membership::Frozen freeze(Time now);
  /// Cuts the mirrors: what was frozen stays readable, and as it was.
  void cut();
  bool frozen() const { return frozen_; }
  /// False if the trim is not of what this member froze.
  bool close(const membership::Rounds& trim);
  /// What `turn` delivers by the trim is delivered.
  bool exhausted() const;
  /// Afterwards, by channel.
  std::vector<multicast::Past> pasts() const;

  /// All that this member sent is delivered at every member.
  bool drained() const;

  // --- the end of the group: everyone leaves, in two steps, so that nobody closes while another
  // still needs a word from it

  /// Goes on with leaving together; true if it got a step further.
  bool finish();
  bool finished() const { return finished_; }
  /// Another member has finished, so everyone here has drained, and knows it: nobody needs this one
  /// any more, though no counter says so where a view is ending. False if this one was not told.
  bool finish_behind_another();
  /// `rank` is gone. True if that needs no other view: it has drained, and so has this member.
  bool excuse(Rank rank);
  /// Those that have not drained.
  RankSet unfinished() const;

  /// nullptr while the members are not connected, and where this member is not in the channel.
  multicast::Channel* channel(std::size_t index) const {
    const auto found = std::ranges::find(mine_, index, &Mine::index);
    return found == mine_.end() ? nullptr : found->channel.get();
  }
  const Place& place(std::size_t index) const { return places_[index]; }

 private:
  struct Peer {
    std::optional<fabric::PeerId> id;
    bool connected = false;
    bool attached = false;  // to the node's own row
  };

  struct Mine {
    std::size_t index = 0;
    std::unique_ptr<multicast::Channel> channel;
  };

  Epoch(fabric::Fabric& fabric, const View& view, Rank self, const std::vector<ChannelPlan>& plans,
        Inheritance inheritance, Pace& pace);
  Result<> build();
  void on_message(Rank rank, Bytes message);
  bool all_at(std::uint64_t stage) const;

  fabric::Fabric& fabric_;
  View view_;
  Rank self_;
  const std::vector<ChannelPlan>& plans_;
  Inheritance inheritance_;
  Pace& pace_;
  std::vector<Peer> peers_;  // by rank
  std::vector<std::pair<Rank, Error>> unreachable_;
  RankSet lost_;
  RankSet excused_;  // of these
  bool frozen_ = false;
  bool finished_ = false;
  bool given_up_ = false;  // to be built: it ends before
  std::unique_ptr<mirror::Table> table_;
  mirror::Column leaving_;     // 0, or one of the stages in epoch.cc
  std::vector<Place> places_;  // by channel
  std::vector<Mine> mine_;     // the channels that this member is in, once they are built
};

}  // namespace squall::engine
