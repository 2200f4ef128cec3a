#pragma once
// What the members of a simulated group do, as the trace that test/checker judges. Members are
// named by their rank in the first view.

#include <cstddef>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/view.h"
#include "core/engine/turn.h"
#include "core/multicast/delivery.h"
#include "test/checker/checker.h"

namespace squall::scenarios {

class Recorder {
 public:
  explicit Recorder(Rank members) : members_(members, Of{0, Counts(members), {}, false}) {}

  void install(Rank member, const View& view);
  void send(Rank member, Bytes message);
  /// In `view`; returns who sent it.
  Rank deliver(Rank member, const View& view, const multicast::Delivery& message);
  /// After each of its turns: its vote, if that is news.
  void look(Rank member, const engine::Turn& turn);
  /// It does nothing any more: crashed, expelled, stopped, or gone on request.
  void end(Rank member);

  bool ended(Rank member) const { return members_[member].ended; }
  std::size_t sent(Rank member) const { return members_[member].sent; }
  /// How many of `sender` this member has delivered.
  std::size_t delivered(Rank member, Rank sender) const { return members_[member].from[sender]; }
  const std::vector<std::size_t>& delivered(Rank member) const { return members_[member].from; }
  /// The last view that anyone has installed.
  std::uint64_t last_view() const { return last_view_; }
  const checker::Checker& trace() const { return trace_; }

 private:
  using Counts = std::vector<std::size_t>;
  struct Of {
    std::size_t sent = 0;
    Counts from;  // by sender
    checker::Event vote;
    bool ended = false;
  };

  std::vector<Of> members_;
  checker::Checker trace_;
  std::uint64_t last_view_ = 0;
};

}  // namespace squall::scenarios
