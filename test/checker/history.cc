#include "test/checker/history.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace squall::checker {

bool History::OfProcess::has_delivered(MessageIndex message) const {
  return std::binary_search(delivered_sorted.begin(), delivered_sorted.end(), message);
}

std::optional<ViewId> History::OfProcess::after(ViewId view) const {
  std::optional<ViewId> next;
  for (const Installed& installed_view : installed)
    if (installed_view.view > view && (!next || installed_view.view < *next))
      next = installed_view.view;
  return next;
}

History::History(const std::vector<Event>& all, const Guarantees& promised)
    : events(all), guarantees(promised) {
  const auto index_of = [&](const Process& process) {
    const auto [found, is_new] =
        process_index_.emplace(process, static_cast<ProcessIndex>(processes.size()));
    if (is_new) processes.push_back({.process = process});
    return found->second;
  };
  // Messages are numbered by sender and number, so that a range of them is a range of indices.
  using Key = std::pair<ProcessIndex, MessageNumber>;
  std::vector<Key> keys;
  for (const Event& event : events) {
    index_of(event.process);
    if (event.kind == Event::Kind::send || event.kind == Event::Kind::deliver)
      keys.emplace_back(index_of(event.sender), event.number);
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  for (const Key& key : keys) messages.push_back({.sender = key.first, .number = key.second});
  const auto message_of = [&](const Event& event) {
    const Key key{process_index_.at(event.sender), event.number};
    return static_cast<MessageIndex>(std::lower_bound(keys.begin(), keys.end(), key) -
                                     keys.begin());
  };

  for (std::size_t i = 0; i < events.size(); ++i) {
    const Event& event = events[i];
    OfProcess& process = processes[process_index_.at(event.process)];
    process.events.push_back(i);
    switch (event.kind) {
      case Event::Kind::install:
        process.installed.push_back({i, event.view});
        views.emplace(event.view, i);
        break;
      case Event::Kind::accept:
        break;
      case Event::Kind::send: {
        Message& message = messages[message_of(event)];
        if (message.sent != nowhere) break;  // a second one breaks well_formed
        message.sent = i;
        message.digest = event.digest;
        break;
      }
      case Event::Kind::deliver:
        process.delivered.push_back({i, message_of(event)});
        break;
      case Event::Kind::crash:
        process.crash = std::min(process.crash, i);
        break;
    }
  }
  for (OfProcess& process : processes) {
    for (const Delivered& delivered : process.delivered)
      process.delivered_sorted.push_back(delivered.message);
    std::sort(process.delivered_sorted.begin(), process.delivered_sorted.end());
  }
}

const History::OfProcess* History::find(const Process& process) const {
  const auto found = process_index_.find(process);
  return found == process_index_.end() ? nullptr : &processes[found->second];
}

std::string History::text(MessageIndex message) const {
  return fmt::format("message {} of {}", messages[message].number,
                     to_text(processes[messages[message].sender].process));
}

bool History::expelled(const OfProcess& process) const {
  const ViewId last = process.installed.empty() ? ViewId{} : process.installed.back().view;
  for (auto later = views.upper_bound(last); later != views.end(); ++later) {
    const auto& members = events[later->second].members;
    if (std::find(members.begin(), members.end(), process.process) == members.end()) return true;
  }
  return false;
}

void Findings::add(Property property, std::size_t event, std::string text) {
  if (counts_[static_cast<std::size_t>(property)]++ >= most_of_each) return;
  violations_.push_back({property, event, fmt::format("{}: {}", name(property), text)});
}

}  // namespace squall::checker
