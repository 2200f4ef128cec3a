#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "test/checker/properties.h"

namespace squall::checker {

void check_integrity(const History& history, Findings& findings) {
  for (const auto& process : history.processes)
    for (const auto& delivered : process.delivered) {
      const auto& message = history.messages[delivered.message];
      const Event& event = history.events[delivered.event];
      if (message.sent == nowhere)
        findings.add(Property::integrity, delivered.event,
                     fmt::format("'{}' was never sent", to_text(event)));
      else if (!history.guarantees.merged && message.sent > delivered.event)
        findings.add(Property::integrity, delivered.event,
                     fmt::format("'{}' before it was sent", to_text(event)));
      else if (message.digest != event.digest)
        findings.add(
            Property::integrity, delivered.event,
            fmt::format("'{}', sent with the digest {:x}", to_text(event), message.digest));
    }
}

void check_no_duplication(const History& history, Findings& findings) {
  for (const auto& process : history.processes) {
    const auto& sorted = process.delivered_sorted;
    if (std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end()) continue;
    std::unordered_map<MessageIndex, std::size_t> first;
    for (const auto& delivered : process.delivered)
      if (!first.emplace(delivered.message, delivered.event).second)
        findings.add(
            Property::no_duplication, delivered.event,
            fmt::format("'{}' was delivered before", to_text(history.events[delivered.event])));
  }
}

namespace {

/// What the sender sent and `process` left out, if it delivers `next` right after `last`.
std::size_t left_out(const History& history, MessageIndex last, MessageIndex next) {
  for (MessageIndex message = last + 1; message < next; ++message)
    if (history.messages[message].sent != nowhere) return message;
  return nowhere;
}

/// p was in the group when s entered it, so nothing of s came before p.
bool there_from_its_start(const History::OfProcess& p, const History::OfProcess& s) {
  return !p.installed.empty() && !s.installed.empty() &&
         p.installed.front().view <= s.installed.front().view;
}

}  // namespace

void check_fifo(const History& history, Findings& findings) {
  // Where each sender's messages begin: they are next to each other.
  std::unordered_map<ProcessIndex, MessageIndex> first_of;
  for (MessageIndex i = 0; i < history.messages.size(); ++i)
    first_of.emplace(history.messages[i].sender, i);
  for (const auto& process : history.processes) {
    std::unordered_map<ProcessIndex, MessageIndex> last_of;
    for (const auto& delivered : process.delivered) {
      const ProcessIndex sender = history.messages[delivered.message].sender;
      const auto [last, is_first] = last_of.emplace(sender, delivered.message);
      std::size_t gap = nowhere;
      if (!is_first) {
        if (delivered.message < last->second)
          findings.add(Property::fifo, delivered.event,
                       fmt::format("'{}' after {}", to_text(history.events[delivered.event]),
                                   history.text(last->second)));
        else
          gap = left_out(history, last->second, delivered.message);
        last->second = std::max(last->second, delivered.message);
      } else if (there_from_its_start(process, history.processes[sender])) {
        const MessageIndex first = first_of.at(sender);
        if (history.messages[first].sent != nowhere && first < delivered.message) gap = first;
      }
      if (gap != nowhere)
        findings.add(
            Property::fifo, delivered.event,
            fmt::format("'{}' without {} before it", to_text(history.events[delivered.event]),
                        history.text(static_cast<MessageIndex>(gap))));
    }
  }
}

void check_self_delivery(const History& history, Findings& findings) {
  if (!history.guarantees.quiesced) return;
  for (MessageIndex i = 0; i < history.messages.size(); ++i) {
    const auto& message = history.messages[i];
    const auto& sender = history.processes[message.sender];
    if (message.sent == nowhere || sender.crash != nowhere || sender.has_delivered(i)) continue;
    if (history.expelled(sender)) continue;
    findings.add(Property::self_delivery, message.sent,
                 fmt::format("'{}' was never delivered by its sender, which lives",
                             to_text(history.events[message.sent])));
  }
}

}  // namespace squall::checker
