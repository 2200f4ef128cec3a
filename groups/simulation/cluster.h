#pragma once
// A group of members on the simulated fabric, in one thread and virtual time. The driver is seeded:
// it decides who turns when, and lets time pass only when nobody has anything to do.
//
// Not here: rendezvous and configuration files. Members know each other from the start.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/base/time.h"
#include "core/engine/turn.h"
#include "core/membership/ballot_wire.h"
#include "groups/simulation/clock.h"
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
  engine::Turn::Options member;  ///< of every member; seeds are drawn
  /// By rank: so many microseconds pass between two turns of this member, on average; 1 or absent:
  /// it turns in every round of the driver.
  std::vector<std::uint64_t> laziness;
  std::vector<Clock> clocks;  ///< by rank; absent: the simulation's own
  sim::Options network;
};

class Cluster {
 public:
  using Deliver = std::function<void(Rank member, const multicast::Delivery&)>;
  /// Called before a member turns; a sender's application. True if it did anything.
  using Application = std::function<bool(Rank member)>;

  /// `deliver` is called inside the turn of `member`.
  Cluster(const Options& options, Deliver deliver);
  ~Cluster();

  void set_application(Application application) { application_ = std::move(application); }
  /// Called after every turn of a member.
  void set_after_turn(std::function<void(Rank member)> look) { after_turn_ = std::move(look); }

  /// False if the ring is full, the member is no sender or is not running.
  bool try_send(Rank member, Bytes message);

  /// Turns everyone and moves time until `done` says so; false once `limit` has passed, or when
  /// nothing will ever happen again.
  bool run_until(const std::function<bool()>& done, Time limit);
  /// Everyone is in phase `running`.
  bool start(Time limit);

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
  static std::string name(Rank member) { return std::string(1, static_cast<char>('a' + member)); }

 private:
  struct Node {
    std::unique_ptr<Tap> fabric;
    std::unique_ptr<engine::Turn> turn;
    bool alive = true;
    bool armed = false;   // its last turn found nothing to do; it looks once more before it sleeps
    bool asleep = false;  // found nothing to do, and turns again when the network wakes it
    Time away_until{};
    Clock clock;
    Time deadline = never;  // by its clock
  };

  bool has_work(Rank member) const;
  bool turn_node(Rank member);
  void rest(Node& node);
  bool turn_everyone();

  Options options_;
  Random random_;
  sim::Network network_;
  std::vector<Node> nodes_;
  Deliver deliver_;
  Application application_;
  std::function<void(Rank)> after_turn_;
};

}  // namespace squall::simulation
