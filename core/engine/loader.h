#pragma once
// How a member gets the state of channels that it has come into: one channel after the other, asks
// one member after the other, takes pieces in order, and goes on with another member where one has
// died. Pure; one thread at a time.

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

  /// `patience`: after so long without a piece it asks again, and after four times that another
  /// member.
  Loader(std::size_t channels, Duration patience);

  /// This member has come into a channel with `view`, and needs its state.
  void want(std::uint32_t channel, ViewId view);
  /// It is in it no more.
  void forgo(std::uint32_t channel);
  bool wants(std::uint32_t channel) const { return channels_[channel].view.has_value(); }
  /// The application listens on this channel; without `load` it takes no state. Once each.
  void open(std::uint32_t channel, std::function<Result<>(Bytes, bool)> load);

  /// The channel that is being loaded. It must not deliver, and others may be wanted behind it.
  std::optional<std::uint32_t> loading() const { return current_; }
  /// Every channel that this member is in is open and has its state.
  bool done() const { return wanted_ == 0; }
  const std::optional<Error>& failure() const { return failure_; }

  /// Asks somebody of those that can be heard; `others`: all others in the channel that are not
  /// suspected. Call it when something has changed, and at `deadline`.
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
    std::optional<ViewId> view;  ///< its state is wanted as of the beginning of this view
  };

  void settle(Channel& channel);
  void next_channel();
  void drop_donor(bool refused);

  Duration patience_;
  std::vector<Channel> channels_;
  std::size_t wanted_ = 0;
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
