// Random executions of a model that keeps every property: the checker finds nothing in them, and
// finds out each of them after one random change. And it copes with long ones.

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/base/random.h"
#include "doctest/doctest.h"
#include "test/checker/checker.h"
#include "test/checker/trace.h"

namespace squall::checker {
namespace {

constexpr Guarantees everything_in_one_order{
    .total = true, .stable = true, .causal = false, .quiesced = true};

struct Sent {
  Process sender;
  MessageNumber number;
  std::uint64_t digest;
};

/// A few views, in each of which some members send; one order, delivered at each member's own
/// pace; at the end of a view a member may crash behind the others, and one may join.
class ModelGroup {
 public:
  ModelGroup(std::uint64_t seed, std::size_t messages_per_view, std::size_t views)
      : random_(seed), messages_(messages_per_view) {
    for (std::uint64_t node = 1; node <= 3; ++node) members_.push_back({NodeId{node}, {}});
    for (std::size_t view = 0; view < views; ++view) run_view(ViewId{10 + 3 * view});
  }
  std::vector<Event> take() { return std::move(events_); }

 private:
  void run_view(ViewId view) {
    for (const Process& member : members_) events_.push_back(install(member, view, members_));
    const std::size_t base = order_.size();
    std::vector<std::size_t> delivered(members_.size(), base);
    const std::size_t victim =
        members_.size() > 2 && random_.one_in(2) ? random_.below(members_.size()) : nobody;
    for (std::size_t sent = 0; sent < messages_;) {
      const auto member = static_cast<std::size_t>(random_.below(members_.size()));
      if (random_.one_in(3)) {
        ++sent;
        const Sent message{members_[member], numbers_[index(members_[member])]++, random_.next()};
        order_.push_back(message);
        events_.push_back(send(message.sender, message.number, message.digest));
      } else if (delivered[member] < order_.size()) {
        deliver_next(member, view, delivered[member]);
      }
    }
    for (std::size_t member = 0; member < members_.size(); ++member)
      while (member != victim && delivered[member] < order_.size())
        deliver_next(member, view, delivered[member]);
    if (victim != nobody) {
      events_.push_back(crash(members_[victim]));
      members_.erase(members_.begin() + static_cast<std::ptrdiff_t>(victim));
    }
    if (members_.size() < 5 && random_.one_in(2))
      members_.push_back({NodeId{next_node_++}, Incarnation{random_.below(100)}});
  }
  void deliver_next(std::size_t member, ViewId view, std::size_t& position) {
    const Sent& message = order_[position];
    events_.push_back(
        deliver(members_[member], view, position, message.sender, message.number, message.digest));
    ++position;
  }
  std::size_t index(const Process& process) {
    const auto node = static_cast<std::size_t>(raw(process.node));
    if (numbers_.size() <= node) numbers_.resize(node + 1);
    return node;
  }

  static constexpr std::size_t nobody = ~std::size_t{0};
  Random random_;
  std::size_t messages_;
  std::uint64_t next_node_ = 4;
  std::vector<Process> members_;
  std::vector<Sent> order_;
  std::vector<MessageNumber> numbers_;
  std::vector<Event> events_;
};

std::vector<Violation> check(const std::vector<Event>& events) {
  Checker checker;
  for (const Event& event : events) checker.add(event);
  return checker.check(everything_in_one_order);
}

bool has(const std::vector<Violation>& violations, Property property) {
  return std::any_of(violations.begin(), violations.end(),
                     [&](const Violation& violation) { return violation.property == property; });
}

/// The index of a random event for which `wanted` holds.
template <class Wanted>
std::size_t pick(const std::vector<Event>& events, Random& random, Wanted wanted) {
  std::vector<std::size_t> candidates;
  for (std::size_t i = 0; i < events.size(); ++i)
    if (wanted(i)) candidates.push_back(i);
  REQUIRE_FALSE(candidates.empty());
  return candidates[random.below(candidates.size())];
}

TEST_CASE("random correct executions break nothing, and one change to them is found and named") {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    const std::vector<Event> correct = ModelGroup(seed, 12, 4).take();
    const auto found = check(correct);
    REQUIRE_MESSAGE(found.empty(), report(found, correct));

    Random random(seed);
    std::vector<Event> events = correct;
    const auto is_delivery = [&](std::size_t i) { return events[i].kind == Event::Kind::deliver; };
    const auto crashes = [&](const Process& process) {
      return std::any_of(events.begin(), events.end(), [&](const Event& event) {
        return event.kind == Event::Kind::crash && event.process == process;
      });
    };
    const auto next_delivery = [&](std::size_t i) {
      for (std::size_t j = i + 1; j < events.size(); ++j)
        if (is_delivery(j) && events[j].process == events[i].process) return j;
      return events.size();
    };
    const auto erase = [&](std::size_t i) {
      events.erase(events.begin() + static_cast<std::ptrdiff_t>(i));
    };
    Property expected{};
    switch (seed % 6) {
      case 0: {  // a delivery is left out at a member that lives
        erase(pick(events, random,
                   [&](std::size_t i) { return is_delivery(i) && !crashes(events[i].process); }));
        expected = Property::safe_delivery;
        break;
      }
      case 1: {  // two deliveries change places
        const std::size_t i = pick(events, random, [&](std::size_t at) {
          return is_delivery(at) && next_delivery(at) < events.size();
        });
        const std::size_t j = next_delivery(i);
        std::swap(events[i].sender, events[j].sender);
        std::swap(events[i].number, events[j].number);
        std::swap(events[i].digest, events[j].digest);
        expected = Property::total_order;
        break;
      }
      case 2: {  // a delivery happens again
        const std::size_t i = pick(events, random, is_delivery);
        events.insert(events.begin() + static_cast<std::ptrdiff_t>(i), events[i]);
        expected = Property::no_duplication;
        break;
      }
      case 3: {  // a bit flips
        events[pick(events, random, is_delivery)].digest ^= std::uint64_t{1} << random.below(64);
        expected = Property::integrity;
        break;
      }
      case 4: {  // members disagree on who ranks first
        std::swap(*(events[0].members.begin()), *(events[0].members.begin() + 1));
        expected = Property::view_agreement;
        break;
      }
      default: {  // a send is forgotten
        const std::size_t i = pick(events, random, is_delivery);
        const Event lost = events[i];
        erase(pick(events, random, [&](std::size_t at) {
          return events[at].kind == Event::Kind::send && events[at].process == lost.sender &&
                 events[at].number == lost.number;
        }));
        expected = Property::integrity;
        break;
      }
    }
    const auto after = check(events);
    CAPTURE(name(expected));
    CHECK_MESSAGE(has(after, expected), report(after, events));
  }
}

// A quadratic check would need hours for it; the limit is that of a small test, a minute.
TEST_CASE("a trace of 300,000 deliveries is checked") {
  const std::vector<Event> events = ModelGroup(1, 25'000, 4).take();
  REQUIRE(std::count_if(events.begin(), events.end(), [](const Event& event) {
            return event.kind == Event::Kind::deliver;
          }) >= 250'000);
  CHECK(check(events).empty());
  CHECK(parse(to_text(events)).value() == events);
}

}  // namespace
}  // namespace squall::checker
