#include "test/checker/checker.h"

#include <fmt/format.h>

#include <algorithm>

#include "test/checker/history.h"
#include "test/checker/properties.h"

namespace squall::checker {

std::string_view name(Property property) {
  switch (property) {
    case Property::well_formed:
      return "well-formed trace";
    case Property::self_inclusion:
      return "self-inclusion";
    case Property::monotone_views:
      return "monotone views";
    case Property::view_agreement:
      return "view agreement";
    case Property::initial_view:
      return "initial view event";
    case Property::primary_uniqueness:
      return "primary uniqueness";
    case Property::primary_continuity:
      return "primary continuity";
    case Property::integrity:
      return "integrity";
    case Property::no_duplication:
      return "no duplication";
    case Property::same_view:
      return "same-view delivery";
    case Property::virtual_synchrony:
      return "virtual synchrony";
    case Property::self_delivery:
      return "self-delivery";
    case Property::fifo:
      return "FIFO";
    case Property::causal_order:
      return "causal order";
    case Property::total_order:
      return "total order";
    case Property::safe_delivery:
      return "safe delivery";
  }
  return "unknown";
}

std::vector<Violation> Checker::check(const Guarantees& guarantees) const {
  const History history(events_, guarantees);
  Findings findings;
  check_well_formed(history, findings);
  check_self_inclusion(history, findings);
  check_monotone_views(history, guarantees, findings);
  check_view_agreement(history, findings);
  check_initial_view(history, findings);
  check_primary_uniqueness(history, findings);
  check_primary_continuity(history, findings);
  check_integrity(history, findings);
  check_no_duplication(history, findings);
  check_fifo(history, findings);
  check_self_delivery(history, findings);
  if (guarantees.stable) {
    check_same_view(history, findings);
    check_virtual_synchrony(history, findings);
    check_safe_delivery(history, findings);
  }
  // Without `stable`, a message may outlive what it depends on.
  if (guarantees.stable && guarantees.causal) check_causal_order(history, findings);
  // Without `stable`, a crashed process may have delivered what the others never do.
  if (guarantees.stable && guarantees.total) check_total_order(history, findings);
  return findings.take();
}

std::string report(const std::vector<Violation>& violations, const std::vector<Event>& events,
                   std::size_t limit) {
  std::string text;
  for (const Violation& violation : violations)
    text += fmt::format("event {}: {}\n", violation.event, violation.text);
  const std::size_t shown = std::min(limit, events.size());
  text += fmt::format("the first {} of {} events:\n", shown, events.size());
  for (std::size_t i = 0; i < shown; ++i) text += to_text(events[i]) + '\n';
  return text;
}

}  // namespace squall::checker
