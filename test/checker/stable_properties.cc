#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <unordered_map>
#include <utility>

#include "test/checker/properties.h"

namespace squall::checker {
namespace {

using Messages = std::vector<MessageIndex>;

void sort_unique(Messages& messages) {
  std::sort(messages.begin(), messages.end());
  messages.erase(std::unique(messages.begin(), messages.end()), messages.end());
}

/// What a process delivered in each view, in sorted order.
std::map<ViewId, Messages> by_view(const History& history, const History::OfProcess& process) {
  std::map<ViewId, Messages> sets;
  Messages* set = nullptr;
  ViewId view{};
  for (const auto& delivered : process.delivered) {
    const ViewId in = history.events[delivered.event].view;
    if (set == nullptr || in != view) set = &sets[view = in];
    set->push_back(delivered.message);
  }
  for (auto& [in, messages] : sets) sort_unique(messages);
  return sets;
}

/// Some message that is in `all` and not in `some`; both sorted.
const MessageIndex* missing(const Messages& all, const Messages& some) {
  auto at = some.begin();
  for (const MessageIndex& message : all) {
    while (at != some.end() && *at < message) ++at;
    if (at == some.end() || *at != message) return &message;
  }
  return nullptr;
}

}  // namespace

void check_same_view(const History& history, Findings& findings) {
  std::vector<std::size_t> first(history.messages.size(), nowhere);
  for (const auto& process : history.processes)
    for (const auto& delivered : process.delivered) {
      std::size_t& seen = first[delivered.message];
      if (seen == nowhere) seen = delivered.event;
      if (history.events[seen].view != history.events[delivered.event].view)
        findings.add(Property::same_view, delivered.event,
                     fmt::format("'{}' but '{}'", to_text(history.events[delivered.event]),
                                 to_text(history.events[seen])));
    }
}

void check_virtual_synchrony(const History& history, Findings& findings) {
  struct First {
    Process process;
    Messages messages;
  };
  std::map<std::pair<ViewId, ViewId>, First> first;
  for (const auto& process : history.processes) {
    auto sets = by_view(history, process);
    for (std::size_t i = 0; i + 1 < process.installed.size(); ++i) {
      const ViewId from = process.installed[i].view;
      const auto& to = process.installed[i + 1];
      const Messages& mine = sets[from];
      const auto [seen, is_first] =
          first.emplace(std::pair{from, to.view}, First{process.process, {}});
      if (is_first) {
        seen->second.messages = mine;
        continue;
      }
      const auto complain = [&](const Process& has, const Process& lacks, MessageIndex message) {
        findings.add(Property::virtual_synchrony, to.event,
                     fmt::format("{} and {} went from view {} to view {}, and only {} delivered {}",
                                 to_text(has), to_text(lacks), raw(from), raw(to.view),
                                 to_text(has), history.text(message)));
      };
      const First& other = seen->second;
      if (const auto* message = missing(other.messages, mine))
        complain(other.process, process.process, *message);
      if (const auto* message = missing(mine, other.messages))
        complain(process.process, other.process, *message);
    }
  }
}

void check_safe_delivery(const History& history, Findings& findings) {
  std::map<ViewId, Messages> delivered_in;
  for (const auto& process : history.processes)
    for (auto& [view, messages] : by_view(history, process)) {
      Messages& all = delivered_in[view];
      all.insert(all.end(), messages.begin(), messages.end());
    }
  for (auto& [view, messages] : delivered_in) {
    sort_unique(messages);
    const auto installed = history.views.find(view);
    if (installed == history.views.end()) continue;  // breaks the initial view event
    for (const Process& member : history.events[installed->second].members) {
      const History::OfProcess silent{.process = member};
      const auto* found = history.find(member);
      const auto& process = found != nullptr ? *found : silent;
      // Who has gone on to a later view has no excuse, not even a crash there.
      if (!process.after(view) &&
          (process.crash != nowhere || !history.guarantees.quiesced || history.expelled(process)))
        continue;
      if (const auto* message = missing(messages, process.delivered_sorted))
        findings.add(Property::safe_delivery, installed->second,
                     fmt::format("{} was delivered in view {}, and not by its member {}, which "
                                 "lives",
                                 history.text(*message), raw(view), to_text(member)));
    }
  }
}

namespace {

/// Of one process: when it delivered which message, by its count of deliveries.
using Places = std::unordered_map<MessageIndex, std::size_t>;

Places places_of(const History::OfProcess& process) {
  Places places;
  for (std::size_t at = 0; at < process.delivered.size(); ++at)
    places.emplace(process.delivered[at].message, at);
  return places;
}

/// How many messages each sender had delivered when it sent each of its own.
std::vector<std::size_t> pasts_of(const History& history) {
  std::vector<std::size_t> pasts(history.messages.size());
  for (MessageIndex i = 0; i < history.messages.size(); ++i) {
    const auto& message = history.messages[i];
    const auto& delivered = history.processes[message.sender].delivered;
    if (message.sent == nowhere) continue;
    // The events of one process are in order, whether the trace is merged or not.
    pasts[i] = static_cast<std::size_t>(
        std::ranges::lower_bound(delivered, message.sent, {}, &History::Delivered::event) -
        delivered.begin());
  }
  return pasts;
}

}  // namespace

void check_causal_order(const History& history, Findings& findings) {
  const std::vector<std::size_t> pasts = pasts_of(history);
  for (const auto& process : history.processes) {
    if (process.installed.empty()) continue;
    const Places places = places_of(process);
    const ViewId first_view = process.installed.front().view;
    // By sender: so much of what it has delivered has been looked at. Its pasts only grow.
    std::unordered_map<ProcessIndex, std::size_t> looked_at;
    for (std::size_t at = 0; at < process.delivered.size(); ++at) {
      const MessageIndex message = process.delivered[at].message;
      const auto& sender = history.processes[history.messages[message].sender];
      std::size_t& next = looked_at[history.messages[message].sender];
      for (; next < pasts[message]; ++next) {
        const auto& before = sender.delivered[next];
        if (history.events[before.event].view < first_view) continue;
        const auto found = places.find(before.message);
        if (found == places.end() || found->second > at)
          findings.add(Property::causal_order, process.delivered[at].event,
                       fmt::format("'{}', and not {} before it, which {} had delivered when it "
                                   "sent that",
                                   to_text(history.events[process.delivered[at].event]),
                                   history.text(before.message), to_text(sender.process)));
      }
    }
  }
}

void check_total_order(const History& history, Findings& findings) {
  std::unordered_map<std::uint64_t, std::size_t> at_position;
  std::vector<std::size_t> of_message(history.messages.size(), nowhere);
  std::map<ViewId, std::size_t> start_of_view;
  const auto complain = [&](std::size_t event, std::size_t other, std::string_view what) {
    findings.add(Property::total_order, event,
                 fmt::format("'{}' but '{}': {}", to_text(history.events[event]),
                             to_text(history.events[other]), what));
  };
  for (const auto& process : history.processes) {
    std::size_t last = nowhere;
    for (const auto& [i, message] : process.delivered) {
      const Event& event = history.events[i];
      const auto there = at_position.emplace(event.position, i).first->second;
      const Event& other = history.events[there];
      if (other.sender != event.sender || other.number != event.number)
        complain(i, there, "two messages at one position");
      std::size_t& seen = of_message[message];
      if (seen == nowhere) seen = i;
      if (history.events[seen].position != event.position)
        complain(i, seen, "one message at two positions");
      if (last != nowhere && history.events[last].position + 1 != event.position)
        complain(i, last, "the process's positions have a hole");
      if (last == nowhere || history.events[last].view != event.view) {
        const auto start = start_of_view.emplace(event.view, i).first->second;
        if (history.events[start].position != event.position)
          complain(i, start, "they start the view at different positions");
      }
      last = i;
    }
  }
  if (start_of_view.empty()) return;
  const std::size_t first = start_of_view.begin()->second;
  if (history.events[first].position != 0)
    findings.add(Property::total_order, first,
                 fmt::format("'{}': the group's order does not start at position 0",
                             to_text(history.events[first])));
}

}  // namespace squall::checker
