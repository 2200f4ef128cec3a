#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/rank_set.h"
#include "test/checker/properties.h"

namespace squall::checker {

void check_well_formed(const History& history, Findings& findings) {
  for (std::size_t i = 0; i < history.events.size(); ++i) {
    const Event& event = history.events[i];
    if (event.kind == Event::Kind::install && event.members.empty())
      findings.add(Property::well_formed, i,
                   fmt::format("view {} has no members", raw(event.view)));
  }
  for (const auto& process : history.processes) {
    std::map<MessageNumber, std::size_t> sent;
    for (const std::size_t i : process.events) {
      const Event& event = history.events[i];
      if (i > process.crash)
        findings.add(Property::well_formed, i, fmt::format("'{}' after its crash", to_text(event)));
      if (event.kind == Event::Kind::send && !sent.emplace(event.number, i).second)
        findings.add(Property::well_formed, i,
                     fmt::format("'{}': it had sent this number before", to_text(event)));
    }
  }
}

void check_self_inclusion(const History& history, Findings& findings) {
  for (std::size_t i = 0; i < history.events.size(); ++i) {
    const Event& event = history.events[i];
    if (event.kind == Event::Kind::install &&
        std::find(event.members.begin(), event.members.end(), event.process) == event.members.end())
      findings.add(Property::self_inclusion, i,
                   fmt::format("{} installs view {} and is not in it", to_text(event.process),
                               raw(event.view)));
  }
}

void check_monotone_views(const History& history, const Guarantees& guarantees,
                          Findings& findings) {
  struct Last {
    Process process;
    ViewId view{};
  };
  // A node's runs in the order of their incarnations, each with its views in its own order: this
  // holds in a merged trace too.
  std::map<Process, const History::OfProcess*> runs;
  for (const auto& process : history.processes) runs.emplace(process.process, &process);
  std::map<NodeId, Last> last;
  for (const auto& [process, run] : runs)
    for (const auto& installed : run->installed) {
      const auto [before, is_first] = last.emplace(process.node, Last{process, installed.view});
      const bool follows = guarantees.runs_in_turn || before->second.process == process;
      if (!is_first && follows && installed.view <= before->second.view)
        findings.add(Property::monotone_views, installed.event,
                     fmt::format("{} installs view {} after {} had installed view {}",
                                 to_text(process), raw(installed.view),
                                 to_text(before->second.process), raw(before->second.view)));
      before->second = {process, installed.view};
    }
}

void check_view_agreement(const History& history, Findings& findings) {
  for (std::size_t i = 0; i < history.events.size(); ++i) {
    const Event& event = history.events[i];
    if (event.kind != Event::Kind::install) continue;
    const Event& first = history.events[history.views.at(event.view)];
    if (event.members != first.members)
      findings.add(Property::view_agreement, i,
                   fmt::format("'{}' but '{}'", to_text(event), to_text(first)));
  }
}

void check_initial_view(const History& history, Findings& findings) {
  for (const auto& process : history.processes) {
    const Event* installed = nullptr;
    for (const std::size_t i : process.events) {
      const Event& event = history.events[i];
      if (event.kind == Event::Kind::install) {
        installed = &event;
      } else if (event.kind == Event::Kind::crash) {
        continue;
      } else if (installed == nullptr) {
        findings.add(Property::initial_view, i,
                     fmt::format("'{}' before its first view", to_text(event)));
      } else if (event.kind == Event::Kind::deliver && event.view != installed->view) {
        findings.add(
            Property::initial_view, i,
            fmt::format("'{}' while it is in view {}", to_text(event), raw(installed->view)));
      }
    }
  }
}

void check_primary_uniqueness(const History& history, Findings& findings) {
  std::map<ViewId, const History::Installed*> next;
  for (const auto& process : history.processes)
    for (std::size_t at = 1; at < process.installed.size(); ++at) {
      const auto& installed = process.installed[at];
      const ViewId before = process.installed[at - 1].view;
      if (installed.view <= before) continue;  // breaks monotone_views
      const auto [first, is_first] = next.emplace(before, &installed);
      if (installed.view != first->second->view)
        findings.add(Property::primary_uniqueness, installed.event,
                     fmt::format("on view {} follows '{}' but also '{}'", raw(before),
                                 to_text(history.events[first->second->event]),
                                 to_text(history.events[installed.event])));
    }
}

void check_primary_continuity(const History& history, Findings& findings) {
  // By what is accepted or installed: the first event of each process that says so.
  std::map<std::pair<ViewId, std::vector<Process>>, std::map<Process, std::size_t>> votes;
  for (std::size_t i = 0; i < history.events.size(); ++i) {
    const Event& event = history.events[i];
    if (event.kind == Event::Kind::install || event.kind == Event::Kind::accept)
      votes[{event.view, event.members}].emplace(event.process, i);
  }
  const auto went_elsewhere = [&](const Process& member, const Event& before, const Event& next) {
    const History::OfProcess* process = history.find(member);
    const auto after = process ? process->after(before.view) : std::nullopt;
    return after && (*after != next.view || !votes[{next.view, next.members}].contains(member));
  };
  for (const auto& process : history.processes)
    for (std::size_t at = 1; at < process.installed.size(); ++at) {
      const std::size_t when = process.installed[at].event;
      const Event& next = history.events[when];
      const Event& before = history.events[process.installed[at - 1].event];
      if (before.members.size() > max_members) continue;
      const auto& voters = votes[{next.view, next.members}];
      RankSet majority;
      for (Rank rank = 0; rank < before.members.size(); ++rank) {
        const Process& member = before.members[rank];
        const auto vote = voters.find(member);
        const bool voted =
            vote != voters.end() && (vote->second <= when || history.guarantees.merged);
        if (history.guarantees.acceptances ? voted : !went_elsewhere(member, before, next))
          majority.insert(rank);
      }
      if (!is_majority(majority, static_cast<Rank>(before.members.size())))
        findings.add(
            Property::primary_continuity, when,
            fmt::format("'{}': only {} of the {} members of view {} accepted it", to_text(next),
                        majority.size(), before.members.size(), raw(before.view)));
    }
}

}  // namespace squall::checker
