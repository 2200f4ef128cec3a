#pragma once
// Checks what a group of processes did against what it was promised: the properties of group
// communication (Chockler, Keidar, Vitenberg, ACM Computing Surveys 33(4), 2001; Birman's virtual
// synchrony). A pure library: events in, violations out, in O(n log n) of the trace's length.
// Used by the simulator's scenarios, by tests of real processes, and by whoever has a trace file.
// One thread at a time.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "test/checker/trace.h"

namespace squall::checker {

enum class Property : std::uint8_t {
  well_formed,  ///< of the trace itself: what it says can be what a process did
  self_inclusion,
  monotone_views,
  view_agreement,
  initial_view,
  primary_uniqueness,
  primary_continuity,
  integrity,
  no_duplication,
  same_view,
  virtual_synchrony,
  self_delivery,
  fifo,
  causal_order,
  total_order,
  safe_delivery,
};
inline constexpr std::size_t property_count = 16;

/// In words: "virtual synchrony".
std::string_view name(Property property);

/// What the stack promises, and what kind of trace it is. Everything else holds for every stack.
struct Guarantees {
  bool total = true;   ///< the stack has `total`
  bool stable = true;  ///< the stack has `stable`
  bool causal = true;  ///< the stack has `causal` or `total`
  /// The trace ends when nothing was pending any more, so that what is missing is missing for good.
  bool quiesced = false;
  /// The events of different processes were put together without a common clock: only the order
  /// within each process means anything.
  bool merged = false;
  /// Of two runs of a node the one with the lower incarnation was in the group first. Not so if
  /// both were started at once: the earlier one may come in once the later one is out.
  bool runs_in_turn = true;
  /// The trace says who accepted which view (`accept`).
  bool acceptances = false;
};

struct Violation {
  Property property{};
  std::size_t event = 0;  ///< the index of the event that shows it; of what is missing, the cause
  std::string text;       ///< "virtual synchrony: ..."
};

class Checker {
 public:
  void add(Event event) { events_.push_back(std::move(event)); }
  const std::vector<Event>& events() const { return events_; }

  /// At most a few violations of each property, the first ones found.
  std::vector<Violation> check(const Guarantees& guarantees) const;

 private:
  std::vector<Event> events_;
};

/// For a failing test: every violation, then the events of the trace up to `limit`.
std::string report(const std::vector<Violation>& violations, const std::vector<Event>& events,
                   std::size_t limit = 200);

}  // namespace squall::checker
