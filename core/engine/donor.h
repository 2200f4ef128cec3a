#pragma once
// The state that a member holds for those who came into its channels: one stream for each of them
// and channel, as of the beginning of the view they came with, produced as it is asked for. Pure;
// one thread at a time.
//
// At most a window of a stream is in memory here, and only while its joiner takes it. Streams are
// dropped when the joiner has everything, or is in the view no more.

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/digest.h"
#include "core/base/ids.h"
#include "core/base/view.h"
#include "core/engine/state.h"
#include "core/engine/state_wire.h"

namespace squall::engine {

class Donor {
 public:
  /// Queues a piece for a joiner; false: not now, offer it again.
  using Send = std::function<bool(const Member& joiner, const StatePiece& piece)>;

  /// Bytes in a piece. `send` is called from `turn` only.
  Donor(std::size_t piece_bytes, Send send);

  /// `joiner` came into these channels with `view`. By channel; an empty source: not into that one,
  /// or this member cannot say.
  void hold(const Member& joiner, ViewId view, std::vector<StateSource> sources);
  /// It has everything, or is gone.
  void release(const Member& joiner);
  /// Releases all who are not in this view.
  void release_all_but(const View& view);
  bool holds_anything() const { return !held_.empty(); }

  void requested(const Member& joiner, const StateRequest& request);
  /// Sends what is due and possible, a bounded amount; true if it did anything, so that it should
  /// be called again soon.
  bool turn();

 private:
  struct Piece {
    std::uint64_t offset = 0;
    std::vector<std::byte> bytes;
    bool last = false;
  };
  struct Stream {
    StateSource source;
    std::uint64_t produced = 0;
    std::uint64_t sent = 0;
    std::uint64_t limit = 0;
    Digest digest;             // of what was produced
    std::deque<Piece> window;  // produced, and perhaps not arrived
    bool ended = false;        // the last piece was produced
    bool last_sent = false;
    std::optional<StateRequest> skip;  // produce up to its offset without sending
  };
  struct Held {
    Member joiner;
    ViewId view{};
    std::vector<Stream> streams;     // by channel
    std::deque<StatePiece> answers;  // without bytes: refusals
  };

  Held* find(const Member& joiner, ViewId view);
  bool turn(Held& held, std::uint32_t channel);
  bool skip(Held& held, std::uint32_t channel);
  /// The next piece of at most so many bytes; nullopt: the source failed.
  std::optional<Piece> produce(Stream& stream, std::size_t most);
  void refuse(Held& held, std::uint32_t channel, StatePiece::Kind kind, std::uint64_t offset);

  std::size_t piece_bytes_;
  Send send_;
  std::deque<Held> held_;
};

}  // namespace squall::engine
