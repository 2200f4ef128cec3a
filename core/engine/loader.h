#pragma once
// How a joiner gets the state of its groups: asks one member after the other, takes pieces in
// order, and goes on with another member where one has died. Pure; one thread at a time.

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "core/base/digest.h"
#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/base/rank_set.h"
#include "core/base/time.h"
#include "core/engine/state.h"
#include "core/engine/state_wire.h"

namespace squall::engine {

class Loader {
 public:
  /// How much may be on its way: bounds what the member that sends holds in memory.
  static constexpr std::uint64_t window_bytes = std::uint64_t{512} << 10;

  struct Outgoing {
    Rank to = 0;
    StateRequest request;
  };

  /// `view`: the first one of this member. `patience`: after so long without a piece it asks again,
  /// and after four times that another member.
  Loader(ViewId view, std::size_t channels, Duration patience);

  /// The application listens on this channel; without `load` it wants no state. Once each.
  void open(std::uint32_t channel, std::function<Result<>(Bytes, bool)> load);

  /// A channel is being loaded: it must not deliver.
  bool loading() const { return current_.has_value(); }
  /// Every channel is open and has its state.
  bool done() const { return left_ == 0; }
  const std::optional<Error>& failure() const { return failure_; }

  /// Asks somebody of those that can be heard; `others`: all members of the present view but this
  /// one that are not suspected. Call it when something has changed, and at `deadline`.
  std::optional<Outgoing> turn(Time now, const RankSet& heard, const RankSet& others);
  Time deadline() const { return current_ && !failure_ ? ask_at_ : never; }
  /// What `from` sends. Pieces that were not asked for are ignored.
  void received(Rank from, const StatePiece& piece, Time now);
  /// Ranks have changed: whom it asked is called something else now, or gone.
  void view_changed(std::optional<Rank> donor);
  std::optional<Rank> donor() const { return donor_; }

 private:
  struct Channel {
    std::function<Result<>(Bytes, bool)> load;
    bool open = false;
    bool done = false;
  };

  void next_channel();
  void drop_donor(bool refused);

  ViewId view_;
  Duration patience_;
  std::vector<Channel> channels_;
  std::size_t left_;
  std::optional<std::uint32_t> current_;
  std::uint64_t offset_ = 0;
  std::uint64_t limit_ = 0;
  std::optional<Digest> digest_;
  std::optional<Rank> donor_;
  Rank next_donor_ = 0;
  RankSet refused_;       // have said that they cannot
  bool differs_ = false;  // one of them because it has something else
  Time ask_at_{};
  Time heard_at_{};
  bool again_ = false;
  std::optional<Error> failure_;
};

}  // namespace squall::engine
