#pragma once
// The failure detector of one member in one view: who is silent, with whom there is contact, and
// when any of that may change. It only measures; what follows from it is in suspicion.h.
//
// Contact is two-way. Each member numbers its heartbeats and echoes the newest it has heard from
// the receiver. A new echo proves both directions at once, so only echoes count: a peer whose beats
// come but that does not hear mine is as good as silent.
//
// Two clocks. Against others counts only *lived* time, during which this node itself ran: after a
// stall of its own, a long upcall or a jump of the clock it has not missed what it could not have
// heard. For itself, its contact, all time counts: what happened during a stall is not known.
//
// Pure, and O(1) per turn and heartbeat except when something expires. In each turn: `turned`, then
// `heard` for every heartbeat that arrived, only then the questions. The view begins with contact
// to everyone, and everyone has the full timeout for the first heartbeat.

#include <vector>

#include "core/base/ids.h"
#include "core/base/rank_set.h"
#include "core/base/time.h"
#include "core/membership/timing.h"

namespace squall::membership {

class Detector {
 public:
  Detector(Rank members, Rank self, const Timing& timing, Time now);

  /// At the beginning of every turn. A time before the last one is ignored.
  void turned(Time now);
  /// A heartbeat of `from`, with the newest of mine that it has heard; an echo of what was never
  /// sent is no news. False: a newer one was heard before (over another connection), so whatever
  /// else comes with this one is out of date.
  bool heard(Rank from, Beat beat, Beat echo, Time now);
  /// `from` is still in the view before this one, knows that it is over, and delivers what is left
  /// of it: alive, and in no other view than this one before it is here, so as good as a new echo.
  void on_its_way(Rank from, Time now);

  // --- my own heartbeats

  /// Everybody should get one now: at once, and then once in an interval, each member at moments of
  /// its own. Those lie evenly between the others' where the clock is the same, on one host, so
  /// that what is sent quietly is read half an interval later in the mean, by whoever turns to
  /// send. Where it is not (time_namespaces(7)), it may be a whole one.
  bool beat_due() const { return now_ >= due_; }
  /// The number for a heartbeat to everybody.
  Beat next_beat();
  /// The number for one in between to somebody who asked.
  Beat extra_beat() { return ++newest_; }
  Beat newest_beat() const { return newest_; }
  /// The newest beat that was heard of `rank`: what a heartbeat to it echoes.
  Beat echo_for(Rank rank) const { return peers_[rank].beat; }

  // --- others

  /// No new echo of mine came from it for the timeout, nor for three intervals since this node has
  /// had contact with a majority again. Never so for self.
  bool silent(Rank rank) const { return silent_.contains(rank); }
  const RankSet& silent() const { return silent_; }
  /// Lived time since its last new beat, and since its last new echo of mine.
  Duration quiet_for(Rank rank) const { return lived_ - peers_[rank].beat_lived; }
  Duration deaf_for(Rank rank) const { return lived_ - peers_[rank].echo_lived; }
  /// A new echo of mine came from it within three intervals.
  bool in_contact(Rank rank) const { return contact_.contains(rank); }
  /// A majority of the view, this node included, has echoed a beat that was sent after `since` (a
  /// value of `newest_beat`): it was there, and heard me, after that. Unlike times of arrival, this
  /// is not fooled by what waited in a queue.
  bool answered_by_majority(Beat since) const;

  // --- this node

  /// No contact with a majority of the view: what is delivered now may not be what the others
  /// deliver. Never so for who is a majority alone.
  bool isolated() const { return !is_majority(contact_, members_); }
  /// The clock that counts against others.
  Duration lived() const { return lived_; }
  const Timing& timing() const { return timing_; }
  /// Turn again by then: a beat is due, or something here changes by time alone.
  Time deadline() const { return due_ < expires_ ? due_ : expires_; }

 private:
  struct Peer {
    Beat beat = 0;
    Beat echo = 0;
    Duration beat_lived{0};
    Duration echo_lived{0};
    Time echo_at{};
  };

  /// The same of one that was just heard. If that ends isolation, nobody is silent for three
  /// intervals from now on: the fault was most likely on this side, and the others' heartbeats come
  /// one after the other.
  void judge_heard(Rank from);
  /// Sorts a peer into the sets, by what is known of it now.
  void judge(Rank rank);
  void expire();

  Rank members_;
  Rank self_;
  Timing timing_;
  Duration phase_;           // of my heartbeats in the interval
  std::vector<Peer> peers_;  // by rank; the entry of `self_` is unused
  RankSet silent_;
  RankSet contact_;  // with self
  Time now_;
  Duration lived_{0};
  Beat newest_ = 0;
  Time due_;
  Time expires_ = never;  // no peer can leave its set before
};

}  // namespace squall::membership
