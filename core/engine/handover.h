#pragma once
// How state passes from those who were there to those who join, at one node: it holds state for
// joiners (donor), or is one itself, and then gets its groups' states (loader) and keeps the
// application's upcalls (backlog) until it has them. Pure, as the turn that owns it.

#include <cstddef>
#include <functional>
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
#include "core/membership/change.h"
#include "core/multicast/delivery.h"

namespace squall::engine {

/// What the application gave: by channel; empty while nobody listens.
using Upcalls = std::vector<multicast::DeliverFunction>;

class Handover {
 public:
  using Install = std::function<void(const Installed&)>;

  /// `control` outlives it. No message on it may be longer than `most_message_bytes`.
  Handover(Control& control, std::size_t channels, std::size_t most_message_bytes);

  void set_hooks(std::size_t channel, StateHooks hooks) { hooks_[channel] = std::move(hooks); }
  /// The application listens on this channel from here on.
  void opened(std::size_t channel);

  // --- this node has joined

  void joined(ViewId view, Duration patience);
  /// Upcalls go to `keep` and `kept_upcalls`, not to the application.
  bool keeps() const { return (loader_ && loader_->loading()) || !backlog_.empty(); }
  /// Some of its state is not here yet, or not all that came meanwhile is delivered.
  bool arriving() const { return (loader_ && !loader_->done()) || !backlog_.empty(); }
  bool full() const { return backlog_.full(); }
  /// `turn` may have something to do.
  bool busy() const { return donor_.holds_anything() || arriving(); }
  /// For the engine, instead of the application's, of which it has the same.
  const Upcalls& kept_upcalls(const Upcalls& application);
  void keep(const Installed& installed) { backlog_.add(installed); }
  const std::optional<Error>& failure() const;

  // --- others join

  /// Between two views, when everything below the trim is delivered: takes the state for those who
  /// come. `late` is a deliberate mistake: takes it when it is asked for.
  void save_for(const membership::Change& change, bool late = false);
  void arrived(const Member& joiner) { donor_.release(joiner); }

  // --- both

  /// This node's new view; `from`: the one before.
  void view_changed(const View& from, const View& to);
  void on_request(const Member& from, Bytes message);
  void on_piece(Rank from, Bytes message, Time now);
  /// True if there was anything to do. `heard` and `others` as for the loader.
  bool turn(Time now, const View& view, const RankSet& heard, const RankSet& others,
            const Upcalls& application, const Install& install);
  Time deadline() const { return loader_ ? loader_->deadline() : never; }

 private:
  bool send(const Member& joiner, const StatePiece& piece);

  Control& control_;
  std::vector<StateHooks> hooks_;  // by channel
  std::vector<bool> open_;
  Donor donor_;
  std::optional<Loader> loader_;
  Backlog backlog_;
  Upcalls keeping_;
};

}  // namespace squall::engine
