// The modules against plain models, on random frontiers and schedules.

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "core/mirror/fake_network.h"
#include "core/mirror/ring_reader.h"
#include "core/mirror/table.h"
#include "core/multicast/stage.h"
#include "groups/modules/fifo.h"
#include "groups/modules/stable.h"
#include "groups/modules/total.h"

namespace squall::modules {
namespace {

using Rounds = std::vector<Round>;
/// A message's place in total order: (round, sender), which is what the model sorts by.
using Place = std::pair<Round, multicast::SenderIndex>;

Rounds some_rounds(std::size_t senders, Round most) {
  return *rc::gen::container<Rounds>(senders, rc::gen::inRange<Round>(0, most + 1));
}

template <class Built>
Built build(Rank senders) {
  mirror::TableLayout layout;
  multicast::Shape shape{senders, 0, {}};
  for (Rank rank = 0; rank < senders; ++rank) shape.senders.push_back(rank);
  return Built(shape, layout);
}

/// True if every place before a covered one is covered.
bool is_prefix(const Rounds& frontier) {
  for (std::size_t left = 0; left < frontier.size(); ++left)
    for (std::size_t right = 0; right < frontier.size(); ++right) {
      // The last place covered of `right` needs all of `left` before it.
      if (frontier[right] == 0) continue;
      const Round needed = frontier[right] - 1 + (left < right ? 1 : 0);
      if (frontier[left] < needed) return false;
    }
  return true;
}

TEST_CASE("total: close gives a prefix, and no larger one lies within the frontier") {
  CHECK(rc::check([] {
    const auto senders = *rc::gen::inRange<Rank>(1, 6);
    const auto total = build<Total>(senders);
    const Rounds open = some_rounds(senders, 8);
    Rounds closed = open;
    total.close(closed);
    RC_ASSERT(is_prefix(closed));
    for (std::size_t sender = 0; sender < senders; ++sender)
      RC_ASSERT(closed[sender] <= open[sender]);
    // Any prefix within `open` is within `closed`: so no single step further is one.
    for (std::size_t sender = 0; sender < senders; ++sender) {
      Rounds further = closed;
      if (++further[sender] <= open[sender]) RC_ASSERT(!is_prefix(further));
    }
    Rounds twice = closed;
    total.close(twice);
    RC_ASSERT(twice == closed);
  }));
}

TEST_CASE("total: close is monotone, so what may be delivered never moves back") {
  CHECK(rc::check([] {
    const auto senders = *rc::gen::inRange<Rank>(1, 6);
    const auto total = build<Total>(senders);
    Rounds less = some_rounds(senders, 8);
    Rounds more = some_rounds(senders, 8);
    for (std::size_t sender = 0; sender < senders; ++sender) more[sender] += less[sender];
    total.close(less);
    total.close(more);
    for (std::size_t sender = 0; sender < senders; ++sender)
      RC_ASSERT(less[sender] <= more[sender]);
  }));
}

/// Senders' messages by their rounds, with gaps where they skipped.
struct Sent {
  explicit Sent(std::size_t senders) : rounds(senders), next(senders) {
    for (auto& mine : rounds) {
      mine = *rc::gen::container<Rounds>(rc::gen::inRange<Round>(0, 60));
      std::ranges::sort(mine);
      mine.erase(std::unique(mine.begin(), mine.end()), mine.end());
    }
  }
  Rounds heads() const {
    Rounds heads;
    for (std::size_t sender = 0; sender < rounds.size(); ++sender)
      heads.push_back(next[sender] < rounds[sender].size() ? rounds[sender][next[sender]]
                                                           : mirror::no_round);
    return heads;
  }
  /// Follows the walk to its end, as a channel does.
  std::vector<Place> deliver(const multicast::Order& order, const Rounds& to, std::size_t room) {
    std::vector<Place> delivered;
    std::vector<multicast::Run> runs(room);
    for (;;) {
      const std::size_t count = order.walk(heads(), to, runs);
      RC_ASSERT(count <= room);
      if (count == 0) return delivered;
      const std::size_t before = delivered.size();
      for (std::size_t run = 0; run < count; ++run) {
        const auto [sender, end] = runs[run];
        RC_ASSERT(end <= to[sender]);
        while (next[sender] < rounds[sender].size() && rounds[sender][next[sender]] < end)
          delivered.emplace_back(rounds[sender][next[sender]++], sender);
      }
      RC_ASSERT(delivered.size() > before);  // a walk that is not at its end gets further
    }
  }
  std::vector<Place> all_below(const Rounds& to, const Rounds& from) const {
    std::vector<Place> places;
    for (multicast::SenderIndex sender = 0; sender < rounds.size(); ++sender)
      for (const Round round : rounds[sender])
        if (round >= from[sender] && round < to[sender]) places.emplace_back(round, sender);
    return places;
  }
  std::vector<Rounds> rounds;
  std::vector<std::size_t> next;
};

TEST_CASE(
    "total delivers exactly the closed frontier, sorted by round and sender, however it "
    "grows and however few runs fit") {
  CHECK(rc::check([] {
    const auto senders = *rc::gen::inRange<Rank>(1, 6);
    const auto total = build<Total>(senders);
    Sent sent(senders);
    const auto room = *rc::gen::inRange<std::size_t>(1, 20);
    Rounds open(senders), from(senders);
    for (auto stretches = *rc::gen::inRange(1, 6); stretches > 0; --stretches) {
      const Rounds grown = some_rounds(senders, 20);
      for (std::size_t sender = 0; sender < senders; ++sender) open[sender] += grown[sender];
      Rounds to = open;
      total.close(to);
      auto expected = sent.all_below(to, from);
      std::ranges::sort(expected);
      RC_ASSERT(sent.deliver(total, to, room) == expected);
      from = to;
    }
  }));
}

TEST_CASE("fifo delivers exactly the frontier, each sender's messages in their order") {
  CHECK(rc::check([] {
    const auto senders = *rc::gen::inRange<Rank>(1, 6);
    const auto fifo = build<Fifo>(senders);
    Sent sent(senders);
    const Rounds to = some_rounds(senders, 60);
    auto delivered = sent.deliver(fifo, to, *rc::gen::inRange<std::size_t>(1, 20));
    auto expected = sent.all_below(to, Rounds(senders));
    const auto by_sender = [](const Place& left, const Place& right) {
      return left.second < right.second;
    };
    std::ranges::stable_sort(delivered, by_sender);
    std::ranges::stable_sort(expected, by_sender);
    RC_ASSERT(delivered == expected);
  }));
}

TEST_CASE("total: from any received counts, an exchange of promises lets everything through") {
  CHECK(rc::check([] {
    const auto senders = *rc::gen::inRange<Rank>(1, 6);
    Rounds received = some_rounds(senders, 30);
    const Rounds sent = received;
    mirror::FakeNetwork network(1);
    mirror::TableLayout empty;
    const auto table =
        mirror::Table::create(network.node(0), fabric::RegionId{1}, empty, 0, network.peers())
            .value();
    Rounds frontier(senders);
    for (Rank self = 0; self < senders; ++self) {
      mirror::TableLayout layout;
      multicast::Shape shape{senders, self, {}};
      for (Rank rank = 0; rank < senders; ++rank) shape.senders.push_back(rank);
      Total total(shape, layout);
      multicast::StageOutput output{frontier};
      total.step({Time{}, received, received, sent}, *table, output);
      RC_ASSERT(output.promise >= received[self]);
      RC_ASSERT(output.promise == *std::ranges::max_element(received));
      received[self] = output.promise;
    }
    for (std::size_t sender = 0; sender < senders; ++sender)
      RC_ASSERT(frontier[sender] >= sent[sender]);
  }));
}

TEST_CASE(
    "stable: under any schedule its frontier never moves back, and every message below it is "
    "held by all") {
  CHECK(rc::check([] {
    const auto members = *rc::gen::inRange<Rank>(1, 5);
    const auto senders = *rc::gen::inRange<Rank>(1, members + 1);
    multicast::Shape shape{members, 0, {}};
    for (Rank rank = 0; rank < senders; ++rank) shape.senders.push_back(rank);
    mirror::FakeNetwork network(members);
    std::vector<std::unique_ptr<Stable>> stages;
    std::vector<std::unique_ptr<mirror::Table>> tables;
    for (shape.self = 0; shape.self < members; ++shape.self) {
      mirror::TableLayout layout;
      stages.push_back(std::make_unique<Stable>(shape, layout));
      tables.push_back(mirror::Table::create(network.node(shape.self), fabric::RegionId{1}, layout,
                                             shape.self, network.peers())
                           .value());
    }
    // What each sender did: rounds with messages, the end of the last one, the promise.
    std::vector<std::vector<Round>> sent(senders);
    Rounds next(senders), ends(senders);
    // What each member saw of it: both counters, taken together or later.
    std::vector<Rounds> received(members, Rounds(senders)), messages(members, Rounds(senders));
    std::vector<Rounds> frontiers(members, Rounds(senders));
    for (auto steps = *rc::gen::inRange(1, 80); steps > 0; --steps) {
      const auto sender = *rc::gen::inRange<Rank>(0, senders);
      const auto member = *rc::gen::inRange<Rank>(0, members);
      switch (*rc::gen::inRange(0, 5)) {
        case 0:
          sent[sender].push_back(next[sender]++);
          ends[sender] = next[sender];
          break;
        case 1:
          next[sender] += *rc::gen::inRange<Round>(1, 4);
          break;
        case 2:
          received[member][sender] = next[sender];
          messages[member][sender] = ends[sender];
          break;
        case 3:
          network.land(member, *rc::gen::inRange<Rank>(0, members));
          break;
        default: {
          Rounds frontier(senders);
          multicast::StageOutput output{frontier};
          stages[member]->step({Time{}, received[member], received[member], messages[member]},
                               *tables[member], output);
          tables[member]->push();
          for (Rank each = 0; each < senders; ++each) {
            RC_ASSERT(frontier[each] >= frontiers[member][each]);
            RC_ASSERT(frontier[each] <= received[member][each]);
            for (const Round round : sent[each])
              for (Rank holder = 0; round < frontier[each] && holder < members; ++holder)
                RC_ASSERT(received[holder][each] > round);
          }
          frontiers[member] = frontier;
        }
      }
    }
  }));
}

}  // namespace
}  // namespace squall::modules
