#pragma once
// A member that sends and tells what becomes of it, for tests that do something to it.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/time.h"
#include "test/groups/member.h"
#include "test/groups/moment.h"
#include "test/groups/process.h"

namespace squall::group_tests {

/// How soon the others must know of what their links tell.
inline const Duration notice = std::chrono::seconds(sanitized || emulated() ? 3 : 1);

/// Sends at a steady pace until it hears what to do, or its node stops. Says "flowing" once it has
/// delivered some, "view TIME WHO" for every view after the first, "stopped TIME WHY" when the node
/// stops; then it waits for "end", and for "trace" before that: it says when it last delivered
/// ("last TIME") and its trace.
/// "enough": ends with the others and says its trace. "leave": leaves alone, says its trace.
/// "exit": ends there and then. "drop": gives up its node without a word. "count": says how many
/// messages it has delivered.
void stream(Line& line, const Config& config);

/// The same, but it fills its ring with large messages, again and again.
void flood(Line& line, const Config& config);

/// As `stream`, at another pace, but some of what it sends is large.
void stream_mixed(Line& line, const Config& config);
/// And as `flood_and_dwell` in the upcall of one that is large.
void stream_mixed_and_dwell(Line& line, const Config& config);

/// As `flood`, but in the upcall of one message of another member it says "inside", waits for "go
/// on", and says whether the message's bytes are still the "same" or have "changed".
void flood_and_dwell(Line& line, const Config& config);

/// "stopped TIME WHY"
std::string stopped_word(const Error& error);

/// "view TIME WHO", "stopped TIME WHY", "last TIME".
struct Word {
  std::string what;
  Time at{};
  std::string text;
};
Word word_of(const std::string& said);

/// The next word of a member, which must be a view that came before `limit`, and says of each of
/// `gone` (by name) why. Returns it.
Word expect_view(Process& member, const Moment& limit, const std::vector<std::string>& gone);
/// The next word, which must be that the node stopped, before `limit`, and says `why`.
Word expect_stopped(Process& member, const Moment& limit, std::string_view why);

/// The end of those that go on, in good order: their traces.
std::vector<std::string> finish(const std::vector<Process*>& members);
/// Of a member that has stopped: its trace. It has delivered nothing after `limit`.
std::string last_trace(Process& member, const Moment& limit);

}  // namespace squall::group_tests
