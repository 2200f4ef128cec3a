#include "groups/simulation/porch.h"

#include <utility>

namespace squall::simulation {

using membership::Admission;
using membership::Joining;

void Porch::act(Caller guest, Joining& joining) {
  using Kind = Joining::Action::Kind;
  for (auto& action : joining.take_actions()) {
    if (action.kind == Kind::visit) {
      const fabric::LineId line = next_line_++;
      visits_[line] = {guest, house_.present(action.contact)};
      joining.visiting(line);
      later([this, line] { arrive(line); });
    } else if (action.kind == Kind::say) {
      later([this, line = action.line, bytes = std::move(action.bytes)] {
        const auto visit = visits_.find(line);
        if (visit == visits_.end()) return;
        const Caller host = visit->second.host;
        if (Admission* admission = house_.admission(host)) {
          admission->said(line, bytes, house_.clock(host.node));
          house_.wake(host.node);
        }
      });
    } else if (const auto visit = visits_.find(action.line); visit != visits_.end()) {
      later([this, line = action.line, host = visit->second.host] {
        if (Admission* admission = house_.admission(host)) admission->ended(line);
      });
      visits_.erase(visit);
    }
  }
}

void Porch::act(Admission& admission) {
  using Kind = Admission::Action::Kind;
  for (auto& action : admission.take_actions()) {
    const auto visit = visits_.find(action.line);
    if (visit == visits_.end()) continue;
    const Caller guest = visit->second.guest;
    if (action.kind == Kind::dismiss) {
      end(action.line, guest, std::move(action.error));
      continue;
    }
    later([this, guest, line = action.line, bytes = std::move(action.bytes)] {
      if (Joining* joining = house_.joining(guest)) {
        joining->said(line, bytes, house_.clock(guest.node));
        house_.wake(guest.node);
      }
    });
  }
}

/// The guest is at the door: the host is a member, or sends it away, or is not there.
void Porch::arrive(fabric::LineId line) {
  const auto at = visits_.find(line);
  if (at == visits_.end()) return;
  const Visit visit = at->second;
  if (house_.present(visit.host.node) != visit.host)
    return end(line, visit.guest, {Code::unavailable, "nobody is there", ""});
  Admission* admission = house_.admission(visit.host);
  if (admission == nullptr)
    return end(line, visit.guest, {Code::unavailable, "there is no group here yet", ""});
  admission->guest(line, house_.introduction(visit.guest), house_.clock(visit.host.node));
  house_.wake(visit.host.node);
  later([this, line, guest = visit.guest] {
    if (Joining* joining = house_.joining(guest)) {
      joining->welcomed(line, house_.clock(guest.node));
      house_.wake(guest.node);
    }
  });
}

void Porch::end(fabric::LineId line, Caller told, Error why) {
  visits_.erase(line);
  later([this, line, told, why = std::move(why)] {
    if (Joining* joining = house_.joining(told)) {
      joining->ended(line, why, house_.clock(told.node));
      house_.wake(told.node);
    } else if (Admission* admission = house_.admission(told)) {
      admission->ended(line);
    }
  });
}

void Porch::gone(Caller who) {
  std::vector<std::pair<fabric::LineId, Caller>> over;
  for (const auto& [line, visit] : visits_) {
    if (visit.guest == who) over.emplace_back(line, visit.host);
    if (visit.host == who) over.emplace_back(line, visit.guest);
  }
  for (const auto& [line, other] : over) end(line, other, {Code::lost, "it is gone", ""});
}

}  // namespace squall::simulation
