#pragma once
// One node as a state machine: turns the current view's epoch, tells and hears heartbeats, and
// when the view must end, carries what the machines of core/membership say: freezes, agrees,
// delivers up to the trim, and goes on in the next view. Pure: the fabric is an interface, time an
// argument, the next deadline a returned value. Used by one thread at a time.

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/rank_set.h"
#include "core/base/time.h"
#include "core/base/view.h"
#include "core/engine/contact.h"
#include "core/engine/control.h"
#include "core/engine/epoch.h"
#include "core/engine/handover.h"
#include "core/fabric/fabric.h"
#include "core/membership/agreement.h"
#include "core/membership/applicants.h"
#include "core/membership/detector.h"
#include "core/membership/suspicion.h"
#include "core/membership/timing.h"
#include "core/mirror/ring_writer.h"
#include "core/multicast/channel.h"

namespace squall::engine {

class Turn {
 public:
  enum class Phase : std::uint8_t {
    forming,   ///< the view's members connect and attach
    running,   ///< messages flow
    changing,  ///< frozen, until the next view is agreed on and what is below the trim delivered
    stopped,   ///< for good; `failure` says why, if it was not in good order
  };
  struct Outcome {
    bool worked = false;
    /// It was for the application, or for a view that is not there yet: more is likely to follow
    /// soon. Heartbeats alone are neither.
    bool traffic = false;
    Time deadline = never;  ///< turn again by then even if nothing arrives
  };
  struct Options {
    membership::Timing timing = membership::fast;
    /// How long without a majority of the view until this member stops with an error; time in which
    /// it did not turn does not count.
    Duration patience = 3 * membership::fast.timeout;
    /// This member joins a group that is running: `view` is the first one that it is in.
    bool joins = false;
    /// The view never changes: whoever loses a member delivers what it still may, and stops.
    bool fixed = false;
    std::uint64_t seed = 0;  ///< different at each member
    /// Read between upcalls, so that many in a row do not look like a silence; see pace.h.
    Pace::Clock clock = {};
    /// Says who of the next view is in which channel: fills `next.seating`, given the view before
    /// (nullptr: there was none). Only the answer of whoever proposes the view counts. Empty:
    /// everyone is in every channel.
    std::function<void(const View* before, View& next)> seat = {};
    membership::Bug bug = membership::Bug::none;
  };

  /// `contacts[rank]`; the entry of `self` is ignored. The fabric outlives the Turn.
  Turn(fabric::Fabric& fabric, View view, Rank self, std::vector<Contact> contacts,
       std::vector<ChannelPlan> plans, const Options& options, Time now);
  ~Turn();

  /// One turn. `events` are what the fabric's poll just returned.
  Outcome run(Time now, std::span<const fabric::Event> events, multicast::Hints hints = {});

  /// A turn is due, as far as the channels can tell. Cheap enough to spin on.
  bool news() const { return epoch_ && epoch_->news(); }

  /// Publishes and flushes what this member has committed; all else is left to the next turn.
  void publish_now() {
    if (phase_ == Phase::running) epoch_->publish_now();
  }

  Phase phase() const { return phase_; }
  const std::optional<Error>& failure() const { return failure_; }
  /// The member whose loss made this one stop, if one did.
  std::optional<Rank> lost_member() const { return lost_member_; }
  /// While forming: the members that are missing, by name.
  std::string waiting_for() const;

  const View& view() const { return view_; }
  Rank self() const { return self_; }
  std::size_t channel_count() const { return plans_.size(); }
  /// Of the current view; nullptr while its members are not connected, or if this member is not in
  /// that channel.
  multicast::Channel* channel(std::size_t index) {
    return epoch_ ? epoch_->channel(index) : nullptr;
  }
  /// Who is in it, in the current view.
  Place place(std::size_t channel) const {
    return place_in(view_, channel, plans_[channel], self_);
  }
  /// The outgoing ring of a channel, for good; nullptr if this member never sends there.
  mirror::RingWriter* writer(std::size_t channel) const {
    return writers_[plans_[channel].ring.value_or(channel)].get();
  }

  /// The large objects that go by that ring; nullptr where there is no ring or no room for them.
  mirror::Outbox* outbox(std::size_t channel) const {
    return outboxes_[plans_[channel].ring.value_or(channel)].get();
  }

  /// Until it is set, nothing is delivered on that channel: its rings push back, and no view that
  /// has anything to deliver there can end.
  void on_deliver(std::size_t channel, multicast::DeliverFunction upcall);
  /// The state of that channel's group, for who joins; set it before `on_deliver`.
  void on_state(std::size_t channel, StateHooks hooks) {
    handover_.set_hooks(channel, std::move(hooks));
  }
  /// This member has joined, and its application does not have everything yet.
  bool arriving() const { return handover_.arriving(); }
  /// Called between the deliveries of two views, in the order of all upcalls. Not for the first.
  void on_view(std::function<void(const Installed&)> upcall) { on_view_ = std::move(upcall); }

  /// The same for who listens to one channel: of each view in which this member is in it, in the
  /// order of that channel's deliveries, whose senders are ranks of that view.
  void on_channel_view(std::size_t channel, std::function<void(const Installed&)> upcall) {
    on_channel_view_[channel] = std::move(upcall);
  }

  // --- from member to member, beside the channels

  /// Bytes of the longest message that `post` takes.
  std::size_t most_post_bytes() const;
  /// Sends to one member what its application gets by `on_post`, in order and whole, as long as
  /// both stay and their connection does: when that breaks, what was on its way is lost. There is
  /// no order between it and deliveries. False: there is no room, or no connection, now; or no such
  /// member, which the application is still to be told.
  bool post(const Member& to, std::size_t channel, Bytes message);
  /// `from` is a rank of the view that the application was told last. What comes from a later one
  /// waits until it is told of that.
  void on_post(std::size_t channel, std::function<void(Rank from, Bytes)> upcall) {
    on_post_[channel] = std::move(upcall);
  }

  /// Those who ask to join through this member, as of now: it names them to the coordinator until
  /// they are in the view, or in no such list any more.
  void sponsor(std::vector<membership::Joiner> joiners);
  /// The change with which this view began; nullptr in the first view of this member.
  const membership::Change* entry() const { return entry_ ? &*entry_ : nullptr; }
  /// This member came with this view.
  bool joined_with_this_view() const { return options_.joins && !entry_; }
  /// How the members of this view are reached, by rank; this member's own is empty.
  std::span<const Contact> contacts() const { return contacts_; }

  /// Another source of evidence (the rendezvous) says that a member is gone.
  void lose(Rank member, std::string_view reason);
  /// Stops now, without a word to the others.
  void stop(Error error);
  /// Begins to leave, together with everyone: no sends from here on. `finished` becomes true once
  /// every member has done the same and everything is delivered everywhere.
  void finish() { finishing_ = true; }
  bool finished() const { return finished_; }
  /// The rendezvous brings a member's last word: it has finished.
  void peer_finished(Rank member);
  /// The members that have not finished yet, by name.
  std::string unfinished() const;
  /// Begins to leave alone: no sends from here on. `left` becomes true once all that this member
  /// sent is delivered everywhere, and the others have agreed on a view without it.
  void leave() { leaving_ = stirred_ = true; }
  bool left() const { return left_; }
  /// The next view that this member has voted for, or knows to be decided; for who watches a run.
  const View* accepted() const {
    const membership::Change* change = agreement_ ? agreement_->accepted() : nullptr;
    return change ? &change->next : nullptr;
  }
  /// Without contact with a majority: nothing is delivered.
  bool isolated() const { return isolated_; }

 private:
  /// Joiners are named with every heartbeat; who misses so many of them is forgotten.
  static constexpr int forgotten_after = 5;

  void begin(Time now, Epoch::Inheritance inheritance);
  multicast::bulk::Home home(std::size_t channel, bool is_in);

  void handle(Time now, const fabric::Event& event);
  void on_control(Time now, fabric::PeerId peer, std::optional<Rank> from, Bytes message);
  void on_posted(Rank from, Bytes posted);
  void on_pulse(Time now, Rank from, const membership::Pulse& pulse);
  void on_ballot(Rank from, const membership::Message& ballot);
  void malformed(std::optional<Rank> from, const Error& error);
  void answer_old_view(fabric::PeerId peer);
  static bool is_decision(Bytes message);
  void take_leave(Time now, std::span<const fabric::Event> events);
  void ask_untold();
  bool knows_the_end(Bytes message) const;
  void answer_late(Time now, std::span<const fabric::Event> events);

  void watch(Time now);
  void name_joiners(Time now);
  void hand_over(Time now);
  RankSet heard() const;
  void prepare_to_leave();
  void stop_without(Rank member, std::string_view reason);
  void last_deliveries();
  /// `answer`: it should send one at once. Unless it `wakes`, nobody is woken for one that says
  /// only that all is well.
  void send_pulse(Rank to, membership::Beat beat, bool answer, bool wakes);
  void keep_majority(Time now);
  void look_into_channels();
  void blame(Rank culprit);

  void agree(Time now);
  void freeze(Time now);
  membership::Change propose(const RankSet& survivors,
                             const std::map<Rank, membership::Frozen>& frozen) const;
  multicast::Past past_of(const Place& was, const Place& is, const multicast::Past& past,
                          const membership::Change& change) const;
  void save_for_newcomers(const membership::Change& change);
  void take_seats(const View& before);
  void tell(const Installed& installed);
  void tell(std::size_t channel, const Installed& installed);
  void expelled();
  void install(Time now);
  std::string why_gone(const membership::Change& change, Rank rank) const;
  Result<Epoch::Inheritance> inherit(const membership::Change& change);
  void watch_again(Time by) { watch_due_ = std::min(watch_due_, by); }
  void note(Time deadline) { outcome_.deadline = std::min(outcome_.deadline, deadline); }
  std::string names_of(const RankSet& ranks) const;

  fabric::Fabric& fabric_;
  Options options_;
  View view_;
  View told_;  // the application; who joins may be behind
  Rank self_;
  std::vector<Contact> contacts_;  // by rank
  std::vector<ChannelPlan> plans_;
  std::vector<std::unique_ptr<mirror::RingWriter>> writers_;  // by number of the ring
  std::vector<std::unique_ptr<mirror::Outbox>> outboxes_;     // the same
  std::vector<std::shared_ptr<mirror::Pool>> places_;         // by channel
  multicast::bulk::Transit transit_;
  Upcalls upcalls_;
  std::function<void(const Installed&)> on_view_;
  std::vector<std::function<void(const Installed&)>> on_channel_view_;  // by channel
  std::vector<std::function<void(Rank, Bytes)>> on_post_;               // by channel

  Phase phase_ = Phase::forming;
  std::optional<Error> failure_;
  std::optional<Rank> lost_member_;
  Control control_;
  Handover handover_;
  Pace pace_;
  // Of the current view.
  std::unique_ptr<Epoch> epoch_;
  std::optional<membership::Detector> detector_;
  std::optional<membership::Suspicion> suspicion_;
  std::optional<membership::Agreement> agreement_;
  static constexpr Duration not_lost = Duration::max();
  std::vector<Duration> mirrors_lost_at_;  // by rank, in lived time
  bool agreeing_ = false;                  // the agreement has something to do
  bool closing_ = false;                   // the trim is known, and being delivered
  Duration majority_lived_{0};             // when there was one last, by the detector's clock
  bool formed_once_ = false;
  bool stirred_ = true;  // something may have changed that `watch` looks at
  Time watch_due_{};     // or will by then
  bool isolated_ = false;
  std::optional<membership::Change> entry_;
  std::vector<membership::Joiner> sponsored_;
  bool names_joiners_ = false;  // some are new since they were named last
  membership::Applicants applicants_;
  bool posted_ = false;                   // since the last turn
  std::vector<std::byte> last_decision_;  // what ended the view before, for who is still in it

  bool finishing_ = false;
  bool finished_ = false;
  bool leaving_ = false;
  bool left_ = false;
  RankSet untold_;         // of those who go on, who may not know yet that this member leaves
  Time leave_by_ = never;  // whether they know or not, once it is decided
  bool drained_ = false;   // leaving, and nothing of this view is left to do
  RankSet leavers_;        // who says that it is in that state
  Time now_{};             // of the current turn
  Outcome outcome_;        // of the current turn
};

}  // namespace squall::engine
