#pragma once
// For tests: meetings joined by lines without delay, in a time that is set by hand.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/random.h"
#include "core/fabric/meeting.h"
#include "core/fabric/rendezvous_wire.h"

namespace squall::fabric::meeting_tests {

using Event = Rendezvous::Event;
using Happened = Event::Kind;

inline const Roster everyone{{"a", "a:1"}, {"b", "b:1"}, {"c", "c:1"}};

inline Introduction introduction(const std::string& name, std::uint64_t run = 1) {
  Introduction who;
  who.name = name;
  who.id = node_id(name);
  who.incarnation = Incarnation{run};
  who.group_text = "ring 1024";
  return who;
}

/// Meetings joined by lines without delay; time is set by hand.
struct World {
  struct Node {
    std::optional<Meeting> meeting;  // empty: no such process
    std::vector<Event> events;
  };
  struct End {
    Rank node;
    LineId line;
    bool operator==(const End&) const = default;
  };

  Time now{};
  std::vector<Node> nodes;
  std::vector<std::pair<End, End>> lines;
  std::vector<std::vector<std::byte>> recorded;  // all that went to rank 0
  Random random{1};

  explicit World(Rank size) : nodes(size) {}

  void start(Rank rank, Introduction who, Roster roster = everyone, Manners manners = {}) {
    auto meeting = Meeting::create(
        std::move(roster), std::move(who),
        [this] {
          Nonce nonce;
          for (auto& byte : nonce) byte = static_cast<std::byte>(random.next());
          return nonce;
        },
        std::move(manners));
    REQUIRE(meeting);
    nodes[rank].meeting = std::move(*meeting);
  }
  void start(Rank rank) { start(rank, introduction(everyone[rank].name)); }

  /// The process ends; its peers notice at once, or not at all.
  void kill(Rank rank, bool noticed = true) {
    nodes[rank].meeting.reset();
    std::vector<End> others;
    std::erase_if(lines, [&](const auto& line) {
      if (line.first.node != rank && line.second.node != rank) return false;
      others.push_back(line.first.node == rank ? line.second : line.first);
      return true;
    });
    for (const End& other : others)
      if (noticed) nodes[other.node].meeting->ended(other.line, now, "closed the connection");
  }

  std::optional<End> other(End end) {
    for (const auto& [a, b] : lines) {
      if (a == end) return b;
      if (b == end) return a;
    }
    return std::nullopt;
  }

  void act(Rank rank, Meeting::Action& action) {
    using Kind = Meeting::Action::Kind;
    const End mine{rank, action.line};
    if (action.kind == Kind::call) {
      auto& callee = nodes[action.rank].meeting;
      if (!callee || callee->has_left())
        return nodes[rank].meeting->ended(action.line, now, "connection refused");
      const End theirs{
          action.rank,
          callee->accepted(now, rank < everyone.size() ? everyone[rank].name : "elsewhere")};
      lines.push_back({mine, theirs});
      return nodes[rank].meeting->connected(action.line, now);
    }
    const auto peer = other(mine);
    if (!peer) return;
    if (action.kind == Kind::send) {
      if (peer->node == 0) recorded.push_back(action.bytes);
      nodes[peer->node].meeting->received(peer->line, action.bytes, now);
      return;
    }
    std::erase_if(lines,
                  [&](const auto& line) { return line.first == mine || line.second == mine; });
    nodes[peer->node].meeting->ended(peer->line, now, "closed the connection");
  }

  void settle() {
    for (bool busy = true; busy;) {
      busy = false;
      for (Rank rank = 0; rank < nodes.size(); ++rank) {
        if (!nodes[rank].meeting) continue;
        nodes[rank].meeting->tick(now);
        for (auto& action : nodes[rank].meeting->take_actions()) {
          busy = true;
          act(rank, action);
        }
        for (auto& event : nodes[rank].meeting->take_events())
          nodes[rank].events.push_back(std::move(event));
      }
    }
  }
  void after(Duration duration) {
    now += duration;
    settle();
  }

  Meeting& at(Rank rank) { return *nodes[rank].meeting; }
  std::vector<Event> take(Rank rank) { return std::exchange(nodes[rank].events, {}); }
  /// "introduced b, gone c": what rank has seen since last asked.
  std::string seen(Rank rank) {
    static constexpr const char* names[] = {"introduced", "refused",  "turned away", "gone", "left",
                                            "guest",      "welcomed", "said",        "ended"};
    std::string text;
    for (const Event& event : take(rank)) {
      const bool known = event.rank != Rendezvous::unknown_rank;
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", names[static_cast<int>(event.kind)],
                          known ? everyone[event.rank].name : "?");
    }
    return text;
  }
};

}  // namespace squall::fabric::meeting_tests
