#pragma once
// Linearizable reads without a message in the log. A read has to see every update that had returned
// anywhere before it began. Whoever has an update's result has executed it; so the reader asks all
// members how far they have executed, and reads here once it has come as far as the furthest. (In
// Raft it is the leader's read index, Ongaro 2014, section 6.4; there is no leader here, so all are
// asked.) Reads that begin while a round is under way share the next one.
//
// Why the members of the reader's view are enough: an update returns nowhere before every member of
// its view holds it, so not in a view that the reader is still to install. (If it is out of the
// shard in that view, this does not hold; so whoever is in a later view answers to no purpose.)
// What was executed in earlier views, perhaps by somebody who is gone, the reader has executed
// itself once its application has been told of the view.
//
// Pure: no clock, no network. Used where the node turns.

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/base/ids.h"
#include "core/base/view.h"

namespace squall::objects {

class ReadRounds {
 public:
  /// A read begins: `call` says which.
  void add(std::uint64_t call) { waiting_.push_back(call); }
  bool idle() const { return waiting_.empty() && !view_ && confirmed_.empty(); }

  /// There are reads that no round is for, and none is under way.
  bool wants_round() const { return !view_ && !waiting_.empty(); }
  /// One is, and was begun in another view.
  bool outdated(const std::shared_ptr<const View>& now) const { return view_ && view_ != now; }
  /// For all that wait, and those of the round that this one takes the place of. `others` are ranks
  /// of `view`; `executed`: how far this member has.
  void begin(std::shared_ptr<const View> view, std::vector<Rank> others, std::uint64_t executed);
  /// Of the round under way; its questions and answers carry it.
  std::uint64_t number() const { return number_; }
  /// Who is still to be asked: the caller takes off whom it has.
  std::vector<Rank>& unasked() { return unasked_; }
  /// It has heard nothing, since it did not listen yet.
  void ask_again(NodeId member);

  /// `in`: the view that the member was in when it answered.
  void answered(NodeId member, std::uint64_t number, ViewId in, std::uint64_t executed);
  /// Reads that may be run by a member that has executed so far, and been told of this view: taken
  /// out.
  std::vector<std::uint64_t> take_due(ViewId told, std::uint64_t executed);
  /// All there are, which will not be answered.
  std::vector<std::uint64_t> take_all();

 private:
  struct Confirmed {
    ViewId view{};
    std::uint64_t executed = 0;
    std::vector<std::uint64_t> calls;
  };

  void conclude();

  std::vector<std::uint64_t> waiting_;  // for a round
  std::shared_ptr<const View> view_;    // of the round under way
  std::uint64_t number_ = 0;
  std::vector<std::uint64_t> calls_;
  std::vector<Rank> unasked_, unanswered_;
  std::uint64_t furthest_ = 0;
  std::vector<Confirmed> confirmed_;  // in the order of their rounds
};

}  // namespace squall::objects
