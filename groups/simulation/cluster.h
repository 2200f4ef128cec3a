#pragma once
// A group of members on the simulated fabric, in one thread and virtual time. The driver is seeded:
// it decides who turns when, and lets time pass only when nobody has anything to do.
//
// Members of the first view know each other from the start; others join through the porch
// (porch.h). Not here: configuration files, and a rendezvous with sockets.

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/base/time.h"
#include "core/engine/turn.h"
#include "core/membership/admission.h"
#include "core/membership/ballot_wire.h"
#include "core/membership/joining.h"
#include "groups/simulation/clock.h"
#include "groups/simulation/porch.h"
#include "groups/simulation/tap.h"
#include "groups/stack/stack.h"
#include "providers/sim/sim.h"

namespace squall::simulation {

struct Options {
  std::uint64_t seed = 1;
  Rank members = 3;
  std::string stack = "total | stable";
  multicast::StageFactory stages;  ///< stages of one's own, instead of `stack`
  std::vector<Rank> senders;       ///< empty: everyone
  std::size_t ring_bytes = std::size_t{1} << 14;
  std::string group = "simulated";  ///< its name
  /// Of large objects.
  std::size_t large_memory = std::size_t{1} << 20;
  multicast::bulk::Settings bulk{
      .schedule = {}, .cost = {.latency = 20us, .bytes_per_second = 1.25e9}, .block_bytes = 4096};
  engine::Turn::Options member;  ///< of every member; seeds are drawn
  /// By rank: so many microseconds pass between two turns of this member, on average; 1 or absent:
  /// it turns in every round of the driver.
  std::vector<std::uint64_t> laziness;
  /// What an application takes for each delivery, by rank; absent: nothing. It turns no sooner.
  std::vector<Duration> upcalls;
  /// By rank: this member shares its cores with others; absent: it does not.
  std::vector<bool> crowded;
  std::vector<Clock> clocks;  ///< by rank; absent: the simulation's own
  /// The group's state, by node; empty: it has none.
  std::function<engine::StateHooks(Rank)> state;
  /// Several channels, instead of the one that the above describe. `member.seat` says who is in
  /// which.
  struct Channels {
    std::vector<engine::ChannelPlan> plans;
    std::function<void(Rank node, std::size_t channel, const multicast::Delivery&)> deliver;
    std::function<engine::StateHooks(Rank node, std::size_t channel)> state;
  };
  std::optional<Channels> channels;
  sim::Options network;
};

class Cluster {
 public:
  using Deliver = std::function<void(Rank member, const multicast::Delivery&)>;
  /// Called before a member turns; a sender's application. True if it did anything.
  using Application = std::function<bool(Rank member)>;

  /// `deliver` is called inside the turn of `member`. Empty: nothing is delivered at a member
  /// before `listen`.
  Cluster(const Options& options, Deliver deliver);
  ~Cluster();

  void set_application(Application application) { application_ = std::move(application); }
  /// Called after every turn of a member.
  void set_after_turn(std::function<void(Rank member)> look) { after_turn_ = std::move(look); }
  /// What this member gets on that channel goes there from now on.
  void listen(Rank member, std::size_t channel, multicast::DeliverFunction deliver);

  /// False if the ring is full, the member is no sender or is not running. Where it is not in the
  /// channel now, the message waits until it is. What is too long for the ring goes as an object.
  bool try_send(Rank member, Bytes message, std::size_t channel = 0);

  /// Turns everyone and moves time until `done` says so; false once `limit` has passed, or when
  /// nothing will ever happen again.
  bool run_until(const std::function<bool()>& done, Time limit);
  /// The two steps of it, for who decides between them whether to go on. Everyone who has something
  /// to do turns, once; false if that came to nothing.
  bool turn_all(Time limit);
  /// Nobody has anything to do: time passes until somebody has. False: nothing will ever happen.
  bool pass_time(Time limit);
  /// Inside one of them: whoever is called now cannot call them.
  bool turning() const { return turning_; }
  /// Everyone is in phase `running`.
  bool start(Time limit);

  /// A new node, the next in number, comes into being and asks those that there are to let it in.
  /// Its view comes by `on_view` of a turn that does not exist yet: see `set_came`.
  Rank join();
  /// A node whose process ended runs again, and asks to be let in as a later run of itself.
  void restart(Rank member);
  /// Called when a node that joins has its turn, before that turns.
  void set_came(std::function<void(Rank member)> came) { came_ = std::move(came); }
  /// It has a turn: it was there from the start, or was let in.
  bool is_member(Rank member) const { return nodes_[member].turn != nullptr; }
  /// Why it was not let in, and will not be.
  const std::optional<Error>& refused(Rank member) const { return nodes_[member].refused; }
  Rank node_count() const { return static_cast<Rank>(nodes_.size()); }
  Incarnation run_of(Rank member) const { return Incarnation{nodes_[member].run}; }

  /// The member's process ends here and now.
  void crash(Rank member);
  /// It ends within a turn, right before the `count`-th message of the agreement (of this kind)
  /// leaves it. What it has decided by then, it has.
  void crash_before_ballot(Rank member, std::size_t count,
                           std::optional<membership::Message::Kind> kind = {});
  /// The member does not turn until then: stopped, or swapped out.
  void stall(Rank member, Time until);
  /// Its clock jumps. A monotonic clock never goes back; what a negative jump shows is that nothing
  /// worse comes of it than of a stall.
  void jump_clock(Rank member, Duration by) { nodes_[member].clock.jump(by); }
  bool alive(Rank member) const { return nodes_[member].alive; }

  /// To do something with it, so it turns next.
  engine::Turn& turn(Rank member) {
    wake(member);
    return *nodes_[member].turn;
  }
  /// To look at it.
  const engine::Turn& state(Rank member) const { return *nodes_[member].turn; }
  /// Its application has something to do.
  void wake(Rank member) { nodes_[member].asleep = nodes_[member].armed = false; }
  sim::Network& network() { return network_; }
  Time now() const { return network_.now(); }
  /// By its own clock, and when that shows so much.
  Time now_at(Rank member) const { return nodes_[member].clock.read(now()); }
  Time when_at(Rank member, Time shown) const { return nodes_[member].clock.when(shown); }
  static std::string name(Rank member) { return std::string(1, static_cast<char>('a' + member)); }

 private:
  struct Node {
    sim::Host host = 0;
    std::unique_ptr<Tap> fabric;
    std::unique_ptr<engine::Turn> turn;
    std::unique_ptr<membership::Admission> admission;  // of a member
    std::unique_ptr<membership::Joining> joining;      // of one that is none yet
    std::optional<Error> refused;
    std::uint64_t run = 1;
    bool alive = true;
    bool armed = false;   // its last turn found nothing to do; it looks once more before it sleeps
    bool asleep = false;  // found nothing to do, and turns again when the network wakes it
    Time away_until{};
    Duration in_upcalls{0};  // of its last turn
    Clock clock;
    Time deadline = never;  // by its clock
  };

  Porch::House house();
  Duration upcall_of(Rank member) const;
  std::vector<engine::ChannelPlan> plans() const;
  void begin(Rank member, View view, Rank rank, std::vector<engine::Contact> contacts, bool joins);
  void ask(Rank member);
  bool turn_joiner(Rank member);
  void receive_guests(Rank member);
  bool has_work(Rank member) const;
  bool turn_node(Rank member);
  void rest(Node& node);
  bool turn_everyone();

  Options options_;
  Random random_;
  sim::Network network_;
  multicast::StageFactory stages_;
  multicast::Codecs codecs_;
  multicast::Codecs::Scratch encoded_;
  // What was taken down stays until the end: others may still be looking at its memory.
  std::vector<std::unique_ptr<Tap>> former_fabrics_;
  std::vector<std::unique_ptr<engine::Turn>> former_turns_;
  std::deque<Node> nodes_;  // references stay valid when one is added
  Porch porch_;
  Deliver deliver_;
  std::function<void(Rank)> came_;
  Application application_;
  std::function<void(Rank)> after_turn_;
  bool turning_ = false;
  std::vector<Rank> order_;  // who turns when, in this round
};

}  // namespace squall::simulation
