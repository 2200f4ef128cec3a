#include "test/scenarios/journal.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace squall::scenarios {
namespace {

constexpr std::size_t shown = 6;  // of one kind on a line
constexpr Duration grain = 10us;  // what is less apart is at one time

double ms(Time time) {
  return std::chrono::duration<double, std::milli>(time - Time{}).count();
}

std::string names(std::vector<std::string> who) {
  std::ranges::sort(who);
  std::string text;
  for (const std::string& name : who) text += (text.empty() ? "" : " ") + name;
  return text;
}

}  // namespace

void Journal::add(Time now, std::string who, std::string kind, std::string what) {
  for (Entry& entry : entries_)
    if (entry.kind == kind && entry.what == what &&
        std::ranges::find(entry.who, who) == entry.who.end()) {
      entry.who.push_back(std::move(who));
      entry.last = now;
      return;
    }
  entries_.push_back({now, now, {std::move(who)}, std::move(kind), std::move(what)});
}

std::string Journal::take() {
  std::string text;
  for (std::size_t at = 0; at < entries_.size();) {
    const Entry& entry = entries_[at];
    const std::string who = names(entry.who);
    std::size_t end = at;
    std::string what;
    Time last = entry.last;
    for (; end < entries_.size() && entries_[end].kind == entry.kind &&
           names(entries_[end].who) == who;
         ++end) {
      last = std::max(last, entries_[end].last);
      if (end - at < shown && !entry.what.empty()) what += ' ' + entries_[end].what;
    }
    if (end - at > shown)
      what += fmt::format(" ... {} ({} in all)", entries_[end - 1].what, end - at);
    text += fmt::format("{:.2f}", ms(entry.first));
    if (last - entry.first >= grain) text += fmt::format("-{:.2f}", ms(last));
    text += fmt::format(" ms  {}  {}{}\n", who, entry.kind, what);
    at = end;
  }
  text += said_;
  entries_.clear();
  said_.clear();
  return text;
}

}  // namespace squall::scenarios
