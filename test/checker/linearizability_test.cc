// Known histories, good and bad; and random ones from a model, which one mistake must give away.
#include "test/checker/linearizability.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/random.h"

namespace squall::checker {
namespace {

using Kind = Operation::Kind;

Operation of(Kind kind, std::int64_t value, std::uint64_t begin, std::uint64_t end,
             std::optional<std::int64_t> result = {}) {
  Operation operation;
  operation.client = static_cast<std::uint32_t>(begin);
  operation.kind = kind;
  operation.value = value;
  operation.begin = begin;
  operation.end = end;
  operation.result = result;
  return operation;
}
Operation write(std::int64_t value, std::uint64_t begin, std::uint64_t end = Operation::open) {
  return of(Kind::write, value, begin, end);
}
Operation read(std::int64_t result, std::uint64_t begin, std::uint64_t end) {
  return of(Kind::read, 0, begin, end, result);
}
Operation add(std::int64_t value, std::uint64_t begin, std::uint64_t end = Operation::open,
              std::optional<std::int64_t> result = {}) {
  return of(Kind::add, value, begin, end, result);
}
Operation swap(std::int64_t expected, std::int64_t value, std::uint64_t begin, std::uint64_t end,
               std::optional<std::int64_t> result) {
  Operation operation = of(Kind::compare_and_set, value, begin, end, result);
  operation.expected = expected;
  return operation;
}

bool holds(const std::vector<Operation>& operations) {
  return check_linearizability(operations).empty();
}

TEST_CASE("one after the other, each sees the one before") {
  CHECK(holds({}));
  CHECK(holds({read(0, 1, 2)}));
  CHECK(holds({write(5, 1, 2), read(5, 3, 4), write(6, 5, 6), read(6, 7, 8)}));
  CHECK(holds({add(2, 1, 2, 2), add(3, 3, 4, 5), read(5, 5, 6)}));
  CHECK(holds({swap(0, 7, 1, 2, 1), swap(0, 8, 3, 4, 0), read(7, 5, 6)}));
}

TEST_CASE("a read at the same time as a write may see it or not, but not out of their order") {
  CHECK(holds({write(5, 1, 10), read(0, 2, 3), read(5, 4, 5)}));
  CHECK(holds({write(5, 1, 10), read(5, 2, 6), read(0, 3, 4)}));
  // New, then old.
  CHECK_FALSE(holds({write(5, 1, 10), read(5, 2, 3), read(0, 4, 5)}));
  // As in the paper: of two writes at once the last is seen by all.
  CHECK(holds({write(1, 1, 10), write(2, 2, 9), read(1, 11, 12), read(1, 13, 14)}));
  CHECK(holds({write(1, 1, 10), write(2, 2, 9), read(2, 11, 12), read(2, 13, 14)}));
  CHECK_FALSE(holds({write(1, 1, 10), write(2, 2, 9), read(1, 11, 12), read(2, 13, 14)}));
}

TEST_CASE("a stale read") {
  CHECK_FALSE(holds({write(5, 1, 2), read(0, 3, 4)}));
  CHECK_FALSE(holds({write(5, 1, 2), write(6, 3, 4), read(5, 5, 6)}));
  CHECK_FALSE(holds({add(1, 1, 2, 1), add(1, 3, 4, 2), read(1, 5, 6)}));
}

TEST_CASE("a read from the future, or of what nobody wrote") {
  CHECK_FALSE(holds({read(5, 1, 2), write(5, 3, 4)}));
  CHECK_FALSE(holds({read(5, 1, 2)}));
  CHECK_FALSE(holds({write(5, 1, 2), read(6, 3, 4)}));
}

TEST_CASE("a lost update, and a doubled one") {
  CHECK_FALSE(holds({add(1, 1, 4, 1), add(1, 2, 3, 1)}));
  CHECK(holds({add(1, 1, 4, 2), add(1, 2, 3, 1)}));
  CHECK_FALSE(holds({add(3, 1, 2, 3), read(6, 3, 4)}));
  CHECK_FALSE(holds({swap(0, 1, 1, 4, 1), swap(0, 2, 2, 3, 1)}));
  CHECK_FALSE(holds({swap(0, 1, 1, 2, 0)}));
}

TEST_CASE("what never ended may have taken effect at any time since, or not at all") {
  CHECK(holds({write(5, 1), read(0, 2, 3), read(0, 4, 5)}));
  CHECK(holds({write(5, 1), read(0, 2, 3), read(5, 4, 5)}));
  CHECK(holds({add(5, 1), add(7, 2), read(7, 3, 4), read(12, 5, 6)}));
  CHECK_FALSE(holds({write(5, 1), read(5, 2, 3), read(0, 4, 5)}));
  CHECK_FALSE(holds({read(5, 1, 2), write(5, 3)}));
  // Once at most.
  CHECK_FALSE(holds({add(5, 1), read(10, 3, 4)}));
}

TEST_CASE("what took effect, with a result that nobody knows, took effect by its end") {
  CHECK(holds({add(5, 1, 2), read(5, 3, 4)}));
  CHECK_FALSE(holds({add(5, 1, 2), read(0, 3, 4)}));
  CHECK(holds({swap(0, 1, 1, 2, {}), swap(0, 2, 3, 4, 0), read(1, 5, 6)}));
}

TEST_CASE(
    "what is said never to have happened is not in the history, nor is a read without result") {
  Operations clients;
  const auto first = clients.begin(0, 0, Kind::write, 5);
  const auto refused = clients.begin(1, 0, Kind::write, 6);
  const auto unanswered = clients.begin(2, 0, Kind::read);
  clients.end(first, {});
  clients.never_happened(refused);
  const auto seen = clients.begin(2, 0, Kind::read);
  clients.end(seen, 5);
  CHECK(clients.all().size() == 2);
  CHECK(holds(clients.all()));
  static_cast<void>(unanswered);
  const auto ghost = clients.begin(2, 0, Kind::read);
  clients.end(ghost, 6);
  CHECK_FALSE(holds(clients.all()));
}

TEST_CASE(
    "cells are judged alone, and the text names the one, as far as it goes and what does not") {
  std::vector<Operation> operations{write(5, 1, 2), read(5, 3, 4), write(7, 5, 6), read(0, 7, 8)};
  operations[2].cell = operations[3].cell = 3;
  const auto violations = check_linearizability(operations);
  REQUIRE(violations.size() == 1);
  CHECK(violations[0] ==
        "linearizability: cell 3: no order of these operations gives their results; the longest "
        "has 1 of 2\n"
        "    client 5: cell 3: write 7 [5, 6]\n"
        "  makes it 7, from where none of these goes on:\n"
        "    client 7: cell 3: read = 0 [7, 8]");
}

TEST_CASE("a search that would never end is given up, and says so") {
  std::vector<Operation> operations;
  std::uint64_t time = 1;
  for (int at = 0; at < 40; ++at) operations.push_back(add(std::int64_t{1} << at, time++));
  operations.push_back(read(-1, time, time + 1));
  const auto violations = check_linearizability(operations, 10'000);
  REQUIRE(violations.size() == 1);
  CHECK(violations[0].find("no verdict") != std::string::npos);
}

// --- random histories

enum class Mistake : std::uint8_t { none, stale, lost, doubled, future };

/// Clients that operate on a few cells at once; each operation takes effect at some moment between
/// its begin and its end, some never end, and some of those never take effect.
class ModelObject {
 public:
  ModelObject(std::uint64_t seed, Mistake mistake, std::size_t operations)
      : random_(seed), mistake_(mistake), at_(operations / 3 + random_.below(operations / 3)) {
    clients_.resize(2 + random_.below(7));
    while (begun_ < operations || busy()) step(begun_ < operations);
  }
  bool made_it() const { return made_; }
  std::vector<Operation> take() { return std::move(operations_); }

 private:
  struct Client {
    std::optional<std::size_t> operation;
    bool took_effect = false;
  };

  bool busy() const {
    return std::ranges::any_of(clients_,
                               [](const Client& each) { return each.operation.has_value(); });
  }
  void step(bool more) {
    const auto number = static_cast<std::uint32_t>(random_.below(clients_.size()));
    Client& client = clients_[number];
    ++time_;
    if (!client.operation) {
      if (more) begin(number, client);
    } else if (!client.took_effect) {
      Operation& operation = operations_[*client.operation];
      const bool dies = operation.kind != Kind::read && random_.one_in(40);
      if (dies) {
        // Nobody is told what came of it.
        if (random_.one_in(2)) apply(operation);
        operation.result.reset();
        client.operation.reset();
        return;
      }
      const std::int64_t before = cells_[operation.cell];
      apply(operation);
      blunder(operation, before);
      client.took_effect = client.operation.has_value();
    } else {
      operations_[*client.operation].end = time_;
      client.operation.reset();
    }
  }
  void begin(std::uint32_t number, Client& client) {
    Operation operation;
    operation.client = number;
    operation.cell = static_cast<std::uint32_t>(random_.below(3));
    operation.kind = static_cast<Kind>(random_.below(4));
    operation.value = static_cast<std::int64_t>(++begun_ * 1'000'003);
    operation.expected = cells_[operation.cell];
    operation.begin = time_;
    client = {operations_.size(), false};
    operations_.push_back(operation);
  }
  void apply(Operation& operation) {
    std::int64_t& cell = cells_[operation.cell];
    switch (operation.kind) {
      case Kind::read:
        operation.result = cell;
        break;
      case Kind::write:
        cell = operation.value;
        break;
      case Kind::compare_and_set:
        operation.result = cell == operation.expected ? 1 : 0;
        if (*operation.result == 1) cell = operation.value;
        break;
      case Kind::add:
        operation.result = cell += operation.value;
        break;
    }
  }
  /// Once, as soon as nothing that goes on at the same time could explain it.
  void blunder(Operation& operation, std::int64_t before) {
    std::int64_t& cell = cells_[operation.cell];
    const bool now = !made_ && begun_ >= at_ && alone(operation);
    if (now && operation.kind == Kind::read) {
      if (mistake_ == Mistake::stale)
        made_ = overtaken(operation);
      else if (mistake_ == Mistake::future)
        made_ = finish(operation, static_cast<std::int64_t>((begun_ + 1) * 1'000'003));
    } else if (now && operation.kind == Kind::add && operation.result) {
      if (mistake_ == Mistake::lost)
        cell = before;
      else if (mistake_ == Mistake::doubled)
        cell += operation.value;
      if (cell != *operation.result) made_ = finish(operation, operation.result) && see(operation);
    }
  }
  /// No other is under way in its cell, nor has one never ended: that may still come.
  bool alone(const Operation& operation) const {
    return std::ranges::none_of(operations_, [&](const Operation& each) {
      return each.cell == operation.cell && each.end == Operation::open && &each != &operation;
    });
  }
  bool finish(Operation& operation, std::optional<std::int64_t> result) {
    operation.begin = ++time_;
    operation.end = ++time_;
    operation.result = result;
    for (Client& client : clients_)
      if (client.operation && &operations_[*client.operation] == &operation) client = {};
    return true;
  }
  /// Somebody reads what it has come to.
  bool see(const Operation& operation) {
    Operation seen = by_another(operation, Kind::read);
    seen.result = cells_[operation.cell];
    operations_.push_back(seen);
    return true;
  }
  /// Somebody writes before it begins, which it does not see.
  bool overtaken(Operation& read) {
    Operation written = by_another(read, Kind::write);
    written.value = -1;
    const auto before = std::exchange(cells_[read.cell], written.value);
    finish(read, before);
    operations_.push_back(written);
    return true;
  }
  Operation by_another(const Operation& operation, Kind kind) {
    Operation other;
    other.client = 99;
    other.cell = operation.cell;
    other.kind = kind;
    other.begin = ++time_;
    other.end = ++time_;
    return other;
  }

  Random random_;
  Mistake mistake_;
  std::size_t at_;
  bool made_ = false;
  std::uint64_t time_ = 0;
  std::size_t begun_ = 0;
  std::vector<Client> clients_;
  std::map<std::uint32_t, std::int64_t> cells_;
  std::vector<Operation> operations_;
};

TEST_CASE("random histories of a model that makes no mistake are linearizable") {
  std::size_t operations = 0;
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    CAPTURE(seed);
    const auto all = ModelObject(seed, Mistake::none, 20 + seed).take();
    operations += all.size();
    const auto violations = check_linearizability(all);
    REQUIRE_MESSAGE(violations.empty(), violations.front());
  }
  CHECK(operations > 100'000);
}

std::size_t found(Mistake mistake) {
  std::size_t made = 0, found = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    ModelObject model(seed, mistake, 150);
    if (!model.made_it()) continue;
    ++made;
    found += !holds(model.take());
  }
  CHECK(made >= 150);
  MESSAGE(found << " of " << made);
  return made - found;
}

TEST_CASE("a stale read in a random history is found") {
  CHECK(found(Mistake::stale) == 0);
}

TEST_CASE("a lost update in a random history is found") {
  CHECK(found(Mistake::lost) == 0);
}

TEST_CASE("a doubled update in a random history is found") {
  CHECK(found(Mistake::doubled) == 0);
}

TEST_CASE("a read from the future in a random history is found") {
  CHECK(found(Mistake::future) == 0);
}

}  // namespace
}  // namespace squall::checker
