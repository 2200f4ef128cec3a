#pragma once
// What happens to a member, and how long the others took to go on. Plain data.

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.h"
#include "core/membership/timing.h"

namespace squall::bench {

enum class Event : unsigned char {
  kill,   ///< SIGKILL: its links end
  stop,   ///< SIGSTOP: it is silent, and all its links stay
  leave,  ///< it calls leave()
  join,   ///< one more comes
};

/// "kill" and so on.
constexpr std::string_view name_of(Event event) {
  switch (event) {
    case Event::kill:
      return "kill";
    case Event::stop:
      return "stop";
    case Event::leave:
      return "leave";
    case Event::join:
      break;
  }
  return "join";
}

struct MembershipOptions {
  Event event = Event::kill;
  unsigned members = 3;
  std::string fabric = "shm";
  unsigned count = 20;
  unsigned timeout_ms = 200;  ///< of silence, until a member is suspected
  /// Who joins has looked for fabrics before it asks, as a process has that was a member already:
  /// libfabric's own start takes longer than all the rest, once in a process.
  bool warm = false;
  bool json = false;

  Duration timeout() const { return std::chrono::milliseconds(timeout_ms); }
};

inline constexpr const char* membership_stack = "total | stable";
inline constexpr std::size_t membership_message_bytes = 64;

/// One event: times from the signal, or from where the leaver called leave(), or from where the
/// joiner called Node::start, each that of the last survivor.
struct Outcome {
  unsigned victim = 0;  ///< its rank; the joiner's, in the view that it came with
  Duration view{0};     ///< until on_view of the view without it, or with the joiner
  /// Until a message from every member of that view was delivered in it, at the joiner too.
  Duration resumed{0};
  /// Killed only: until this command, which waits in poll(2), saw its socket closed and the process
  /// ended. No survivor can see it much sooner. Of who left: until its leave() returned, which says
  /// nothing of the others. Of a joiner: until its Node::start returned.
  Duration ended{0};
  Duration joined{0};  ///< until the joiner's first delivery
  // Of a join, at those who were there, each that of the one that suffered most.
  Duration pause{0};           ///< the longest time without a delivery around the view
  Duration normal_pause{0};    ///< the same before that
  Duration slowest{0};         ///< from a send to its own delivery, around the view
  Duration normal_slowest{0};  ///< the same before that
};

/// Who is to go in event `number`: each in turn. Of two members always the second, unless it
/// leaves: without rank 0, the other is no majority. Who comes is always the same.
constexpr unsigned victim_of(Event event, unsigned number, unsigned members) {
  if (event == Event::join) return members;
  return members == 2 && event != Event::leave ? 1 : number % members;
}

/// What the first figure of an event is.
constexpr Duration Outcome::*figure_of(Event event) {
  return event == Event::join ? &Outcome::joined : &Outcome::view;
}

/// What a join into a busy group of three may cost, at the median.
inline constexpr unsigned join_bar_members = 3;
inline constexpr Duration join_bar = std::chrono::milliseconds(30);
inline constexpr Duration join_pause_bar = std::chrono::milliseconds(10);

struct Tally {
  std::string fabric;         ///< as chosen, when "auto" was asked
  membership::Timing timing;  ///< as the members had it
  std::vector<Outcome> outcomes;
  /// Events after which a survivor had no view without the victim, stopped, or lost another.
  unsigned failed = 0;
};

}  // namespace squall::bench
