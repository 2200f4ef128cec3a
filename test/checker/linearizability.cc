#include "test/checker/linearizability.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <unordered_set>

namespace squall::checker {
namespace {

using Kind = Operation::Kind;

/// The operations of one cell.
class Search {
 public:
  Search(std::vector<Operation> operations, std::size_t most_steps)
      : operations_(std::move(operations)), steps_left_(most_steps) {
    std::ranges::sort(operations_, {}, &Operation::begin);
    done_.resize((operations_.size() + bits - 1) / bits);
    build();
  }

  /// Empty: there is an order.
  std::string run();

 private:
  static constexpr std::size_t bits = 64;

  // Begins and ends in the order of time, doubly linked, so that an operation that has got its
  // place can be taken out, and put back.
  struct Node {
    std::size_t operation = 0;
    bool is_end = false;
    std::size_t before = 0, after = 0;
  };
  static constexpr std::size_t head = 0;

  struct Placed {
    std::size_t begin = 0;  // its node
    std::int64_t state = 0;
  };

  /// Where the search has been: who has a place, and what that came to.
  struct Place {
    std::vector<std::uint64_t> done;
    std::int64_t state = 0;
    bool operator==(const Place&) const = default;
  };
  struct Hash {
    std::size_t operator()(const Place& place) const {
      std::uint64_t hash = static_cast<std::uint64_t>(place.state) * 0x9e3779b97f4a7c15ull;
      for (const std::uint64_t word : place.done)
        hash = ((hash ^ word) * 0xbf58476d1ce4e5b9ull) ^ (hash >> 29);
      return hash;
    }
  };

  void build();
  void take_out(std::size_t begin);
  void put_back(std::size_t begin);
  void mark(std::size_t operation, bool done) {
    const std::uint64_t bit = std::uint64_t{1} << (operation % bits);
    if (done)
      done_[operation / bits] |= bit;
    else
      done_[operation / bits] &= ~bit;
  }
  bool place(std::size_t begin);
  void remember_longest(std::size_t stuck_at);
  std::string text(std::string_view why) const;

  std::vector<Operation> operations_;
  std::size_t steps_left_;
  std::vector<Node> nodes_;
  std::vector<std::size_t> end_of_;  // by operation: its node, or head
  std::vector<std::uint64_t> done_;  // a bit for each operation
  std::int64_t state_ = 0;
  std::vector<Placed> placed_;
  std::unordered_set<Place, Hash> been_;
  std::vector<std::size_t> longest_;  // operations in an order, as far as one goes
  std::int64_t longest_state_ = 0;
  std::size_t stuck_at_ = head;  // and whose end it does not get past
};

void Search::build() {
  struct Moment {
    std::uint64_t time;
    std::size_t operation;
    bool is_end;
  };
  std::vector<Moment> moments;
  for (std::size_t at = 0; at < operations_.size(); ++at) {
    moments.push_back({operations_[at].begin, at, false});
    if (operations_[at].end != Operation::open) moments.push_back({operations_[at].end, at, true});
  }
  std::ranges::sort(moments, {}, &Moment::time);
  end_of_.assign(operations_.size(), head);
  nodes_.emplace_back();
  for (const Moment& moment : moments) {
    if (moment.is_end) end_of_[moment.operation] = nodes_.size();
    nodes_.push_back({moment.operation, moment.is_end, nodes_.size() - 1, nodes_.size() + 1});
  }
  nodes_[head].after = nodes_.size() > 1 ? 1 : head;
  nodes_[head].before = nodes_.size() - 1;
  nodes_.back().after = head;
}

void Search::take_out(std::size_t begin) {
  const auto unlink = [&](const Node& node) {
    nodes_[node.before].after = node.after;
    nodes_[node.after].before = node.before;
  };
  unlink(nodes_[begin]);
  if (const std::size_t end = end_of_[nodes_[begin].operation]; end != head) unlink(nodes_[end]);
}

void Search::put_back(std::size_t begin) {
  const auto link = [&](std::size_t at) {
    nodes_[nodes_[at].before].after = at;
    nodes_[nodes_[at].after].before = at;
  };
  if (const std::size_t end = end_of_[nodes_[begin].operation]; end != head) link(end);
  link(begin);
}

/// The state after it, or nothing if it could not have had its result here.
std::optional<std::int64_t> after(const Operation& operation, std::int64_t state) {
  std::int64_t next = state;
  std::optional<std::int64_t> result;
  switch (operation.kind) {
    case Kind::read:
      result = state;
      break;
    case Kind::write:
      return operation.value;
    case Kind::compare_and_set:
      result = state == operation.expected ? 1 : 0;
      if (*result == 1) next = operation.value;
      break;
    case Kind::add:
      next = state + operation.value;
      result = next;
      break;
  }
  if (operation.result && operation.result != result) return std::nullopt;
  return next;
}

/// It comes next, if it can, and if the search has not been there.
bool Search::place(std::size_t begin) {
  const std::size_t operation = nodes_[begin].operation;
  const auto next = after(operations_[operation], state_);
  if (!next) return false;
  mark(operation, true);
  if (!been_.insert({done_, *next}).second) {
    mark(operation, false);
    return false;
  }
  placed_.push_back({begin, state_});
  state_ = *next;
  take_out(begin);
  return true;
}

void Search::remember_longest(std::size_t stuck_at) {
  if (stuck_at_ != head && placed_.size() <= longest_.size()) return;
  longest_.clear();
  for (const Placed& each : placed_) longest_.push_back(nodes_[each.begin].operation);
  longest_state_ = state_;
  stuck_at_ = stuck_at;
}

std::string Search::run() {
  std::size_t at = nodes_[head].after;
  // Who has no end need not have a place.
  while (at != head) {
    if (!nodes_[at].is_end) {
      if (steps_left_-- == 0) return text("the search was given up here, which is no verdict");
      at = place(at) ? nodes_[head].after : nodes_[at].after;
      continue;
    }
    // It has ended, so it must have had its place before: something earlier was wrong.
    remember_longest(at);
    if (placed_.empty()) return text("no order of these operations gives their results");
    const Placed last = placed_.back();
    placed_.pop_back();
    state_ = last.state;
    mark(nodes_[last.begin].operation, false);
    put_back(last.begin);
    at = nodes_[last.begin].after;
  }
  return {};
}

std::string Search::text(std::string_view why) const {
  constexpr std::size_t most_told = 12;
  std::string all = fmt::format("linearizability: cell {}: {}; the longest has {} of {}",
                                operations_.front().cell, why, longest_.size(), operations_.size());
  std::vector<bool> told(operations_.size());
  for (const std::size_t operation : longest_) told[operation] = true;
  for (std::size_t at = longest_.size() - std::min(longest_.size(), most_told);
       at < longest_.size(); ++at)
    all += "\n    " + operations_[longest_[at]].text();
  all += fmt::format("\n  makes it {}, from where none of these goes on:", longest_state_);
  std::size_t left = most_told;
  const std::size_t stuck = nodes_[stuck_at_].operation;
  for (std::size_t at = 0; at < operations_.size() && left > 0; ++at) {
    if (told[at] || (stuck_at_ != head && operations_[at].begin > operations_[stuck].end)) continue;
    all += "\n    " + operations_[at].text();
    --left;
  }
  return all;
}

}  // namespace

std::string Operation::text() const {
  std::string what;
  switch (kind) {
    case Kind::read:
      what = "read";
      break;
    case Kind::write:
      what = fmt::format("write {}", value);
      break;
    case Kind::compare_and_set:
      what = fmt::format("{} instead of {}", value, expected);
      break;
    case Kind::add:
      what = fmt::format("add {}", value);
      break;
  }
  if (result) what += fmt::format(" = {}", *result);
  return fmt::format("client {}: cell {}: {} [{}, {}]", client, cell, what, begin,
                     end == open ? "open" : fmt::format("{}", end));
}

std::size_t Operations::begin(std::uint32_t client, std::uint32_t cell, Operation::Kind kind,
                              std::int64_t value, std::int64_t expected) {
  entries_.push_back({{client, cell, kind, value, expected, clock_++}});
  return entries_.size() - 1;
}

void Operations::end(std::size_t number, std::optional<std::int64_t> result) {
  Operation& operation = entries_[number].operation;
  operation.end = clock_++;
  operation.result = result;
}

void Operations::never_happened(std::size_t number) {
  entries_[number].happened = false;
}

std::vector<Operation> Operations::all() const {
  std::vector<Operation> operations;
  for (const Entry& entry : entries_)
    if (entry.happened && (entry.operation.kind != Kind::read || entry.operation.result))
      operations.push_back(entry.operation);
  return operations;
}

std::vector<std::string> check_linearizability(const std::vector<Operation>& operations,
                                               std::size_t most_steps) {
  std::map<std::uint32_t, std::vector<Operation>> cells;
  for (const Operation& operation : operations) cells[operation.cell].push_back(operation);
  std::vector<std::string> violations;
  for (auto& [cell, all] : cells)
    if (std::string text = Search(std::move(all), most_steps).run(); !text.empty())
      violations.push_back(std::move(text));
  return violations;
}

}  // namespace squall::checker
