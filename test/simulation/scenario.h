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
    none,
    crash,      ///< `victim` dies
    cut_crash,  ///< nothing leaves from `victim` to `other` for a while; then `victim` dies
    cut,        ///< nothing leaves from `victim` to `other` for a while
    delay,      ///< what leaves from `victim` to `other` takes longer, for a while
    slow,       ///< everything reaches `victim` later, for a while
  };
  Kind kind = Kind::none;
  Rank victim = 0;
  Rank other = 0;
  std::size_t deliveries = 0;  ///< it begins when so many have happened, counted over all members
  Duration lasts{0};
};

struct Scenario {
  std::uint64_t seed = 0;
  simulation::Options options;
  bool total = false;
  bool stable = false;
  std::vector<std::size_t> messages;  ///< by rank: how many it sends; 0 if it is no sender
  std::size_t most_bytes = 0;
  /// By rank: before a turn of its own, a member tries to send once in so many times.
  std::vector<std::uint64_t> reluctance;
  /// Everyone is running before anyone sends.
  bool waits_for_start = true;
  Fault fault;
  std::string replay;  ///< the arguments with which `swarm` runs it again

  bool crashes() const {
    return fault.kind == Fault::Kind::crash || fault.kind == Fault::Kind::cut_crash;
  }
  std::vector<Rank> senders() const;
  std::size_t all_messages() const;
  /// One line, for people.
  std::string text() const;
};

/// Any stack, any fault or none.
Scenario draw(std::uint64_t seed);
/// With this stack and a sender's crash, for those who must find what only a crash shows.
Scenario draw_crash(std::uint64_t seed, const std::string& stack);
/// With this stack and no fault.
Scenario draw_calm(std::uint64_t seed, const std::string& stack);

}  // namespace squall::scenarios
