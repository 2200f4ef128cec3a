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
};

/// "kill" and so on.
constexpr std::string_view name_of(Event event) {
  return event == Event::kill ? "kill" : event == Event::stop ? "stop" : "leave";
}

struct MembershipOptions {
  Event event = Event::kill;
  unsigned members = 3;
  std::string fabric = "shm";
  unsigned count = 20;
  unsigned timeout_ms = 200;  ///< of silence, until a member is suspected
  bool json = false;

  Duration timeout() const { return std::chrono::milliseconds(timeout_ms); }
};

inline constexpr const char* membership_stack = "total | stable";
inline constexpr std::size_t membership_message_bytes = 64;

/// One event: times from the signal, or from where the leaver called leave(), each that of the last
/// survivor.
struct Outcome {
  unsigned victim = 0;  ///< its rank
  Duration view{0};     ///< until on_view of the view without it
  Duration resumed{0};  ///< until a message from every member of that view was delivered in it
  /// Killed only: until this command, which waits in poll(2), saw its socket closed and the process
  /// ended. No survivor can see it much sooner. Of who left: until its leave() returned, which says
  /// nothing of the others.
  Duration ended{0};
};

/// Who is to go in event `number`: each in turn. Of two members always the second, unless it
/// leaves: without rank 0, the other is no majority.
constexpr unsigned victim_of(Event event, unsigned number, unsigned members) {
  return members == 2 && event != Event::leave ? 1 : number % members;
}

struct Tally {
  std::string fabric;         ///< as chosen, when "auto" was asked
  membership::Timing timing;  ///< as the members had it
  std::vector<Outcome> outcomes;
  /// Events after which a survivor had no view without the victim, stopped, or lost another.
  unsigned failed = 0;
};

}  // namespace squall::bench
