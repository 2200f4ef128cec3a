#pragma once
// A small world for tests: the detectors and suspicions of one view, turned as an engine turns
// them, over links with delay that a test cuts, in time that passes by itself. Single-threaded;
// the same calls give the same run.

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "core/base/assert.h"
#include "core/base/bytes.h"
#include "core/base/rank_set.h"
#include "core/base/time.h"
#include "core/membership/detector.h"
#include "core/membership/pulse.h"
#include "core/membership/suspicion.h"

namespace squall::membership {

class World {
 public:
  /// How long a pulse sent now travels; nothing: it is lost.
  using Network = std::function<std::optional<Duration>(Rank from, Rank to)>;
  static constexpr Duration hop = 100us;

  struct Node {
    Node(Rank members, Rank self, const Timing& timing, Time now)
        : detector(members, self, timing, now), suspicion(members, self) {}

    Detector detector;
    Suspicion suspicion;
    bool dead = false;
    Time stalled_until{};
    std::vector<std::pair<Rank, std::vector<std::byte>>> arrived;
    std::vector<Rank> lost_links;
    std::map<Rank, Time> suspected_at;
    bool ever_isolated = false;
    int pulses_sent = 0;
  };

  explicit World(Rank members, const Timing& timing = fast) {
    for (Rank rank = 0; rank < members; ++rank) nodes_.emplace_back(members, rank, timing, now_);
    due_.assign(members, now_);
  }

  Rank size() const { return static_cast<Rank>(nodes_.size()); }
  Node& operator[](Rank rank) { return nodes_[rank]; }
  Duration elapsed() const { return now_ - Time{}; }
  void set_network(Network network) { network_ = std::move(network); }

  // --- faults

  /// Its kernel closes its connections: the others learn of it after a hop.
  void kill(Rank rank) {
    nodes_[rank].dead = true;
    for (Rank peer = 0; peer < size(); ++peer)
      if (peer != rank) lose_link(peer, rank);
  }
  /// `rank` is told after a hop that its link to `peer` is lost; pulses pass on.
  void lose_link(Rank rank, Rank peer) {
    in_flight_.emplace(std::pair{now_ + hop, sequence_++}, Letter{peer, rank, {}});
  }
  void stall(Rank rank, Duration time) { nodes_[rank].stalled_until = now_ + time; }
  bool stalled(Rank rank) const { return nodes_[rank].stalled_until > now_; }
  /// Nothing passes from `from` to `to` any more, and nobody is told.
  void cut_one_way(Rank from, Rank to) { cut_.push_back({from, to}); }
  void cut(Rank a, Rank b) { cut_one_way(a, b), cut_one_way(b, a); }
  void heal() { cut_.clear(); }

  // --- time

  void run(Duration time) {
    const Time until = now_ + time;
    for (;;) {
      Time next = until;
      if (!in_flight_.empty()) next = std::min(next, in_flight_.begin()->first.first);
      for (Rank rank = 0; rank < size(); ++rank)
        if (!nodes_[rank].dead)
          next = std::min(next, std::max(due_[rank], nodes_[rank].stalled_until));
      if (next >= until) break;
      now_ = std::max(now_, next);
      land();
      for (Rank rank = 0; rank < size(); ++rank)
        if (!nodes_[rank].dead && due_[rank] <= now_ && nodes_[rank].stalled_until <= now_)
          turn(rank);
    }
    now_ = until;
  }

  // --- findings

  RankSet suspects(Rank rank) const { return nodes_[rank].suspicion.suspects(); }
  /// Whom the others, as far as they live, suspect of `rank`.
  int accusers_of(Rank rank) const {
    int count = 0;
    for (Rank other = 0; other < size(); ++other)
      if (other != rank && !nodes_[other].dead && suspects(other).contains(rank)) ++count;
    return count;
  }
  bool nobody_suspected() const {
    return std::ranges::all_of(nodes_,
                               [](const Node& node) { return node.suspicion.suspects().empty(); });
  }

 private:
  struct Letter {
    Rank from = 0;
    Rank to = 0;
    std::vector<std::byte> bytes;  // none: the link is lost
  };

  void land() {
    while (!in_flight_.empty() && in_flight_.begin()->first.first <= now_) {
      Letter letter = std::move(in_flight_.begin()->second);
      in_flight_.erase(in_flight_.begin());
      Node& node = nodes_[letter.to];
      due_[letter.to] = now_;
      if (letter.bytes.empty())
        node.lost_links.push_back(letter.from);
      else
        node.arrived.emplace_back(letter.from, std::move(letter.bytes));
    }
  }

  /// What the engine does with one turn.
  void turn(Rank self) {
    Node& node = nodes_[self];
    node.detector.turned(now_);
    RankSet asked;
    for (const Rank peer : std::exchange(node.lost_links, {}))
      node.suspicion.link_lost(peer, "hung up");
    for (const auto& [from, bytes] : std::exchange(node.arrived, {})) {
      const auto pulse = decode_pulse(bytes);
      SQUALL_ASSERT(pulse.has_value(), "members send well-formed pulses");
      if (!node.detector.heard(from, pulse->beat, pulse->echo, now_)) continue;
      node.suspicion.pulse(from, *pulse);
      if (pulse->answer) asked.insert(from);
    }
    node.suspicion.step(node.detector);
    for (Rank rank = 0; rank < size(); ++rank)
      if (node.suspicion.fresh().contains(rank)) node.suspected_at[rank] = now_;
    node.ever_isolated |= node.detector.isolated();

    const bool news = node.suspicion.asks() || !node.suspicion.fresh().empty();
    if (news || node.detector.beat_due())
      send(self, RankSet::all(size()), node.detector.next_beat(), node.suspicion.asks());
    else if (!asked.empty())
      send(self, asked, node.detector.extra_beat(), false);
    due_[self] = node.detector.deadline();
    SQUALL_ASSERT(due_[self] > now_, "what is done is not due again");
  }

  void send(Rank self, const RankSet& to, Beat beat, bool answer) {
    Node& node = nodes_[self];
    for (Rank peer = 0; peer < size(); ++peer) {
      if (peer == self || !to.contains(peer)) continue;
      ++node.pulses_sent;
      Pulse pulse;
      pulse.view = ViewId{1};
      pulse.beat = beat;
      pulse.echo = node.detector.echo_for(peer);
      pulse.suspects = node.suspicion.suspects();
      pulse.spreading = node.suspicion.spreading();
      pulse.isolated = node.detector.isolated();
      pulse.answer = answer;
      if (std::ranges::find(cut_, std::pair{self, peer}) != cut_.end()) continue;
      const std::optional<Duration> delay = network_(self, peer);
      if (!delay) continue;
      // In order, as on any connection.
      Time& last = last_arrival_[{self, peer}];
      last = std::max(last, now_ + *delay);
      Writer writer;
      encode(writer, pulse);
      in_flight_.emplace(std::pair{last, sequence_++}, Letter{self, peer, writer.take()});
    }
  }

  Time now_{};
  std::vector<Node> nodes_;
  std::vector<Time> due_;  // when each wants to be turned
  std::map<std::pair<Time, std::size_t>, Letter> in_flight_;
  std::map<std::pair<Rank, Rank>, Time> last_arrival_;
  std::vector<std::pair<Rank, Rank>> cut_;
  std::size_t sequence_ = 0;
  Network network_ = [](Rank, Rank) { return hop; };
};

}  // namespace squall::membership
