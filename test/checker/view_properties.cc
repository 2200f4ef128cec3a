#include <fmt/format.h>

#include <algorithm>
#include <map>

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

void check_monotone_views(const History& history, Findings& findings) {
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
      if (!is_first && installed.view <= before->second.view)
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

}  // namespace squall::checker
