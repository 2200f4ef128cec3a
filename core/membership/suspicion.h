#pragma once
// Whom this member accuses, in one view: the rules that turn what the detector measures, what links
// report and what others say into suspicion, such that one bad link, or one deaf member, costs the
// group one member and not more. A suspicion is final within the view; to suspect is to fence.
//
//   1. Evidence of one's own is a lost link, silence, deafness (the peer hears nothing of me), or a
//      peer that has said for a whole timeout, and nothing else, that it is isolated.
//   2. On evidence of its own accuses only who was answered by a majority since it had it. So who
//      is cut off itself accuses nobody.
//   3. An accusation by a rank before the accused *spreads*: all who hear of it take it over, and
//      pass it on. One by a later rank does not.
//   4. Who is accused by a later rank, on that one's own evidence, accuses it back, which spreads;
//      unless it is isolated, or accused by an earlier one too.
//   5. Who is the target of a spreading accusation is accused by an earlier rank, whoever passed it
//      on: it accuses nobody back, sends nothing more and does not lead, but still votes.
//      Its link to whoever has accused it is down because it was fenced, and is no evidence: only
//      silence is.
//   6. What a suspect says of others counts for nothing, nor what one says who accuses me, nor what
//      one says while it is isolated.
//
// So of a bad link between a and b, a before b, b is lost and nobody else: a's accusation spreads,
// b's does not, and b is told by those who took over a's, even if it hears nothing of a. (Unless b
// notices first, and has agreed with the others before a's word comes: then a is lost, not b.)
//
// Pure. Each turn: the detector hears the turn's pulses, each that is new is given here too, then
// `step`, before anything else is done; what changes by time alone does so at the detector's
// deadline. The engine drops pulses of other views.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/ids.h"
#include "core/base/rank_set.h"
#include "core/base/time.h"
#include "core/base/view.h"
#include "core/membership/detector.h"
#include "core/membership/pulse.h"

namespace squall::membership {

/// Why a member is suspected, for people.
struct Evidence {
  enum class Kind : std::uint8_t {
    none,
    link_lost,   ///< reason says how
    silent,      ///< no heartbeat for `lasted`
    deaf,        ///< it has not heard this node for `lasted`
    isolated,    ///< it has said for `lasted` that it is without a majority
    accused,     ///< by `by`; reason, if this node's own link was lost too, says how
    accuses_me,  ///< a later rank accused this node
  };
  Kind kind = Kind::none;
  Rank by = 0;
  Duration lasted{0};
  std::string reason;

  /// "silent for 200 ms", "accused by b": what comes after the member's name.
  std::string text(const View& view) const;
};

class Suspicion {
 public:
  Suspicion(Rank members, Rank self);

  // --- in

  /// Any link that this view needs, for whatever purpose. Only the first reason is kept.
  void link_lost(Rank rank, std::string_view reason);
  void pulse(Rank from, const Pulse& pulse);
  /// After all of a turn's links and pulses: draws the conclusions.
  void step(const Detector& detector);

  // --- out

  const RankSet& suspects() const { return suspects_; }
  /// For the pulse.
  const RankSet& spreading() const { return spreading_; }
  /// New with the last step: fence them, and tell everybody.
  const RankSet& fresh() const { return fresh_; }
  /// With the last step came evidence that waits for a majority (rule 2): a pulse that asks for an
  /// answer should go to everybody at once.
  bool asks() const { return asks_; }
  /// Rule 5, while I do not suspect those who say so: they may all be dead by now.
  bool accused_by_earlier() const { return !(accusers_ - suspects_).empty(); }
  /// It has said that it suspects somebody, and so it has frozen: that explains why it keeps up
  /// nothing of this view.
  bool accuses(Rank rank) const { return accusing_.contains(rank); }
  /// Of a suspect, or what is held against one that is not accused yet.
  const Evidence& evidence(Rank rank) const { return peers_[rank].evidence; }

 private:
  struct Peer {
    Evidence evidence;           // its reason is there from when the link was lost
    Duration isolated_since{0};  // lived time of the first of the claims
    Beat since = 0;              // the newest beat when the evidence was new
  };

  void suspect(Rank rank, Evidence::Kind kind, Rank by = 0, Duration lasted = Duration{0});
  /// What I have against it myself, now; into its evidence.
  void weigh(Rank rank, const Detector& detector);

  Rank members_;
  Rank self_;
  std::vector<Peer> peers_;  // by rank
  RankSet suspects_;
  RankSet spreading_;
  RankSet told_;  // suspects that were fresh before
  RankSet fresh_;
  RankSet lost_;            // their link is
  RankSet accusing_;        // they have said that they suspect somebody, which is final
  RankSet fenced_by_;       // they have said that they suspect me, which is final
  RankSet claims_;          // their newest pulse says that they are isolated
  RankSet counted_;         // those of them whose isolated_since is set
  RankSet waiting_;         // for a majority: there is evidence, since peers_[].since
  RankSet accusers_;        // their newest pulse spreads an accusation of me
  RankSet later_accusers_;  // their newest pulse accuses me on their own evidence
  bool asks_ = false;
};

}  // namespace squall::membership
