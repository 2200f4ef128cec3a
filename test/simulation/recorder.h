#pragma once
// What the nodes of a simulated group do, as the trace that test/checker judges, and what each has
// delivered, also before it came. Nodes are numbered as in the cluster; every run of one is a
// process of its own.

#include <cstddef>
#include <deque>
#include <functional>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/view.h"
#include "core/engine/state.h"
#include "core/engine/turn.h"
#include "core/multicast/delivery.h"
#include "test/checker/checker.h"
#include "test/simulation/past.h"

namespace squall::scenarios {

class Recorder {
 public:
  /// This run of the node is a member, from this view on; what it has delivered is nothing.
  void begin(Rank node, Incarnation run, const View& view);
  /// Its application is in this view now: what it is delivered from here on is of that view.
  void install(Rank node, const View& view);
  void send(Rank node, Bytes message);
  /// Returns who sent it.
  checker::Process deliver(Rank node, const multicast::Delivery& message);
  /// It has this state, from somebody who was there.
  void load(Rank node, Past past) { nodes_[node].past = std::move(past); }
  /// After each of its turns: its vote, if that is news.
  void look(Rank node, const engine::Turn& turn);
  /// It does nothing any more: crashed, expelled, stopped, or gone on request.
  void end(Rank node);

  /// Of the last run that was a member; true if there is none.
  bool ended(Rank node) const { return node >= nodes_.size() || nodes_[node].ended; }
  std::size_t sent(Rank node) const { return node < nodes_.size() ? nodes_[node].sent : 0; }
  /// How many of `sender`, its last run, are in this node's past.
  std::size_t delivered(Rank node, Rank sender) const;
  const Past& past(Rank node) const { return nodes_[node].past; }
  /// The last view that anyone has installed.
  std::uint64_t last_view() const { return last_view_; }
  /// The last view that anyone is known to have voted for, or installed.
  std::uint64_t last_accepted() const { return last_accepted_; }
  const checker::Checker& trace() const { return trace_; }

 private:
  struct Of {
    checker::Process process;
    std::size_t sent = 0;
    Past past;
    View view;  // of its application
    checker::Event vote;
    bool ended = true;
  };

  std::deque<Of> nodes_;
  checker::Checker trace_;
  std::uint64_t last_view_ = 0, last_accepted_ = 0;
};

/// State as its application would have it, of bytes that are there at once; `padding` zeros before
/// them let the transfer take its time.
engine::StateHooks state_hooks(std::size_t padding, std::function<std::vector<std::byte>()> save,
                               std::function<Result<>(Bytes)> load);

}  // namespace squall::scenarios
