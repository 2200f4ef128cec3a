#pragma once
// Whether what clients saw of some cells could have happened one operation after the other, each at
// one moment between its begin and its end (Herlihy, Wing: Linearizability, TOPLAS 12(3), 1990). A
// cell is a register, a counter or both: an integer that is 0 at first. Cells do not matter to each
// other, so each is judged alone, by the search of Wing and Gong (Testing and Verifying Concurrent
// Objects, JPDC 17, 1993) with Lowe's memory of where it has been (Testing for Linearizability,
// 2017). A pure library; one thread at a time.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace squall::checker {

struct Operation {
  enum class Kind : std::uint8_t {
    read,             ///< results in the value
    write,            ///< of `value`; results in nothing
    compare_and_set,  ///< to `value`, if it is `expected`; results in 1 if it was, else in 0
    add,              ///< of `value`; results in the sum
  };
  static constexpr std::uint64_t open = UINT64_MAX;

  std::uint32_t client = 0;  ///< for people
  std::uint32_t cell = 0;
  Kind kind = Kind::read;
  std::int64_t value = 0;
  std::int64_t expected = 0;
  /// Moments on one clock that all clients share, no two of them the same.
  std::uint64_t begin = 0;
  std::uint64_t end = open;  ///< open: it has taken effect at any time since, or never will
  /// What its client was told; nullopt: only that it took effect.
  std::optional<std::int64_t> result = {};

  /// "client 3: cell 1: add 5 = 12 [40, 52]"
  std::string text() const;
  bool operator==(const Operation&) const = default;
};

/// What clients do, as a driver records it. The order of the calls is the clock.
class Operations {
 public:
  /// It begins now; returns its number. Until more is said of it, it is open.
  std::size_t begin(std::uint32_t client, std::uint32_t cell, Operation::Kind kind,
                    std::int64_t value = 0, std::int64_t expected = 0);
  /// Its client is told now that it took effect, and what came of it, if it is.
  void end(std::size_t number, std::optional<std::int64_t> result);
  /// Its client is told that it has not taken effect and never will.
  void never_happened(std::size_t number);

  /// What there is to judge: without reads that nothing came of, and what never happened.
  std::vector<Operation> all() const;

 private:
  struct Entry {
    Operation operation;
    bool happened = true;
  };
  std::vector<Entry> entries_;
  std::uint64_t clock_ = 0;
};

/// One line or more for each cell whose operations have no such order: as far as it goes, and what
/// does not go on from there. Empty: all have one. A search that comes to `most_steps` in one cell
/// says that it was given up, which is no verdict.
std::vector<std::string> check_linearizability(const std::vector<Operation>& operations,
                                               std::size_t most_steps = 2'000'000);

}  // namespace squall::checker
