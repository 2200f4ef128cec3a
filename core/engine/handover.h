#pragma once
// How state passes from those who are in a channel to those who come into it, at one node: it holds
// state for them (donor), or comes itself, and then gets the state (loader) and keeps the
// application's upcalls (backlog) until it has it. Pure, as the turn that owns it.
//
// Who joins the group keeps all upcalls in one backlog, so that messages of all channels and views
// stay in their order. Who is in the group already and comes into one more channel keeps that
// channel's messages only: the others go on.

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/rank_set.h"
#include "core/base/time.h"
#include "core/base/view.h"
#include "core/engine/backlog.h"
#include "core/engine/control.h"
#include "core/engine/donor.h"
#include "core/engine/loader.h"
#include "core/engine/state.h"
#include "core/multicast/delivery.h"

namespace squall::engine {

/// What the application gave: by channel; empty while nobody listens.
using Upcalls = std::vector<multicast::DeliverFunction>;

class Handover {
 public:
  /// Who gets what was kept.
  struct Application {
    const Upcalls& deliver;
    std::function<void(const Installed&)> install;
    std::function<void(std::size_t channel, const Installed&)> install_in;
    std::function<void(std::size_t channel, Rank from, Bytes)> post;
  };

  /// `control` outlives it. No message on it may be longer than `most_message_bytes`. `patience`:
  /// as the loader's.
  Handover(Control& control, std::size_t channels, std::size_t most_message_bytes,
           Duration patience);

  void set_hooks(std::size_t channel, StateHooks hooks) { hooks_[channel] = std::move(hooks); }
  /// The application listens on this channel from here on.
  void opened(std::size_t channel);

  // --- this node comes

  /// It has joined the group, and is in these channels, which were there before.
  void joined(ViewId view, const std::vector<std::size_t>& channels);
  /// It was in the group, and has come into this channel, which was there before.
  void entered(ViewId view, std::size_t channel);
  /// It is in it no more.
  void left(std::size_t channel);
  /// Views go to `keep`, not to the application.
  bool keeps() const { return joining_ && (loader_.loading() || !backlog_.empty()); }
  /// Some messages go to `kept_upcalls`, not to the application.
  bool diverts() const { return keeps() || !entering_.empty(); }
  /// Some of its state is not here yet, or not all that came meanwhile is delivered.
  bool arriving() const { return !loader_.done() || !backlog_.empty() || !entering_.empty(); }
  bool arriving_in(std::size_t channel) const {
    return (joining_ && arriving()) || entering_.contains(channel);
  }
  /// Of who joins: the others' rings push back instead.
  bool full() const { return backlog_.full(); }
  /// `turn` may have something to do.
  bool busy() const { return donor_.holds_anything() || arriving(); }
  /// For the engine, instead of the application's, of which it has the same. Where a channel's
  /// backlog is full there is none, unless the view ends and everything must come in.
  const Upcalls& kept_upcalls(const Upcalls& application, bool view_ends);
  void keep(const Installed& installed) { backlog_.add(installed); }
  /// What a member has posted that the application has not been told of; and what comes behind it.
  void keep(std::size_t channel, Rank from, Bytes posted) { backlog_.add(channel, from, posted); }
  bool keeps_posts() const { return backlog_.has_posts(); }
  /// False if this channel's upcalls are not kept.
  bool keep(std::size_t channel, const Installed& installed);
  const std::optional<Error>& failure() const { return loader_.failure(); }

  // --- others come

  /// Between two views, when everything below the trim is delivered: takes the state of these
  /// channels for one that comes into them with `view`. `late` is a deliberate mistake: takes it
  /// when it is asked for.
  void save_for(const Member& member, ViewId view, const std::vector<std::size_t>& channels,
                bool late = false);
  void arrived(const Member& member) { donor_.release(member); }

  // --- both

  /// This node's new view; `from`: the one before.
  void view_changed(const View& from, const View& to);
  void on_request(const Member& from, Bytes message);
  void on_piece(Rank from, Bytes message, Time now);
  /// The channel whose state is asked for now.
  std::optional<std::size_t> loading() const { return loader_.loading(); }
  /// True if there was anything to do. `heard` and `others` as for the loader.
  bool turn(Time now, const View& view, const RankSet& heard, const RankSet& others,
            const Application& application);
  Time deadline() const { return loader_.deadline(); }

 private:
  bool send(const Member& joiner, const StatePiece& piece);
  bool drain_entered(const Application& application);

  Control& control_;
  std::vector<StateHooks> hooks_;  // by channel
  std::vector<bool> open_;
  Donor donor_;
  Loader loader_;
  bool joining_ = false;                     // until it has arrived
  Backlog backlog_;                          // while it joins
  std::map<std::size_t, Backlog> entering_;  // by channel, afterwards
  Upcalls keeping_;
};

}  // namespace squall::engine
