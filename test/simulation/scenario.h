#pragma once
// What one run is: who is there, on what network, who sends how much, and what goes wrong. All of
// it is drawn from a seed, so a seed is all that is needed to run it again.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "groups/simulation/cluster.h"

namespace squall::scenarios {

struct Fault {
  enum class Kind : std::uint8_t {
    crash,          ///< `victim` dies
    leave,          ///< `victim` leaves on request
    crash_ballots,  ///< `victim` dies within a turn, right before its `count`-th ballot
    cut_crash,      ///< nothing leaves from `victim` to `other` for a while; then `victim` dies
    cut,            ///< nothing leaves from `victim` to `other` for a while
    partition,      ///< nothing passes between the ranks in `side` and the others, for a while
    delay,          ///< what leaves from `victim` to `other` takes `lag` longer, for a while; to
                    ///< everyone, if `other` is `victim`
    slow,           ///< everything reaches `victim` later by `lag`, for a while
    stall,          ///< `victim` does not turn for a while
    clock,          ///< the clock of `victim` jumps ahead by `lag`
    join,           ///< a node more, the next in number, asks to be let in
    restart,        ///< the process of `victim` ends, if it lives, and runs again at once
    clock_back,     ///< it jumps back by `lag`, which no clock should, and has caught up after that
  };
  enum class When : std::uint8_t {
    time,        ///< at `at`
    after,       ///< `at` after the fault before it in the list has begun
    deliveries,  ///< when `count` have happened, counted over all members
  };
  Kind kind = Kind::crash;
  When when = When::time;
  Duration at{0};
  std::size_t count = 0;
  Rank victim = 0;
  Rank other = 0;
  std::uint32_t side = 0;  ///< bits
  Duration lasts{0};
  Duration lag{0};

  bool crashes() const {
    return kind == Kind::restart || (kind != Kind::leave && kind <= Kind::cut_crash);
  }
  std::string text() const;
};

struct Scenario {
  std::uint64_t seed = 0;
  simulation::Options options;
  bool total = false;
  bool causal = false;
  bool stable = false;
  std::vector<std::size_t> messages;  ///< by rank: how many it sends; 0 if it is no sender
  std::size_t most_bytes = 0;
  /// By rank: the time from one message to the next, if the ring allows.
  std::vector<Duration> gaps;
  /// Nobody sends before its first view is running.
  bool waits_for_start = true;
  std::size_t visitors = 0;  ///< clients that are no members (visitors.h)
  std::size_t padding = 0;   ///< bytes that a state has besides what was delivered
  std::vector<Fault> faults;
  /// How soon after the last fault all must be well: by timeouts, and what the slowest application
  /// takes for everything.
  Duration patience() const;
  std::string replay;  ///< the arguments with which `swarm` runs it again

  bool crashes() const;
  std::vector<Rank> senders() const;
  std::size_t all_messages() const;
  /// One line, for people.
  std::string text() const;
};

/// Fifo or total, stable or not; any fault or none.
Scenario draw(std::uint64_t seed);
/// As `draw`, with the stacks that it never draws: causal order, modules that change bytes or wait,
/// and a check of the order below it; half of them with one link that is slow.
Scenario draw_stacks(std::uint64_t seed);
/// As `draw`; but some messages are large objects, of up to some dozens of blocks, which travel by
/// any of the schedules, more than there is room for at once.
Scenario draw_large(std::uint64_t seed);
/// With this stack and a sender's crash, for those who must find what only a crash shows.
Scenario draw_crash(std::uint64_t seed, const std::string& stack);
/// The default stack, and faults that meet in the middle of a view change: its coordinators die
/// between two messages, or are suspected while they live.
Scenario draw_change(std::uint64_t seed);
/// Five members under 60 s of faults: most of them shorter than the timeout, some that cost a
/// member, and more in the middle of the change that follows.
Scenario draw_long(std::uint64_t seed);
/// The default stack; nodes join, and others run again, while members, joiners and those who let
/// them in die, leave, fall silent, or are cut off.
Scenario draw_join(std::uint64_t seed);
/// The default stack on three to five members, whose clients call an object, each `messages` times
/// with `gaps` between two calls; any fault or none, joins and restarts.
Scenario draw_objects(std::uint64_t seed);
/// With this stack and no fault.
Scenario draw_calm(std::uint64_t seed, const std::string& stack);
/// With this stack and one link that is slow, so that answers overtake what they answer.
Scenario draw_detour(std::uint64_t seed, const std::string& stack);

}  // namespace squall::scenarios
