#pragma once
// The object that simulated clients call: registers and counters by name, and in its state what
// says whether two replicas have executed the same. Every execution is told to a witness, who
// compares the replicas and remembers the one order.

#include <array>
#include <cereal/types/map.hpp>
#include <cereal/types/string.hpp>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/base/ids.h"
#include "test/simulation/objects.h"

namespace squall::scenarios {

using Values = std::map<std::string, std::int64_t>;

/// Those that are called: registers first, then counters.
inline const std::array<std::string, 5> cells{"left", "right", "top", "hits", "misses"};
inline constexpr std::uint32_t registers = 3;

/// What a call returns: how many updates the replica has executed by then, and its own result.
struct Made {
  std::uint64_t number = 0;
  std::int64_t value = 0;
  bool operator==(const Made&) const = default;
};

class Witness {
 public:
  /// As it was after the `number`-th update, counted from 1; 0 is the beginning.
  struct State {
    std::uint64_t update = 0;  ///< its id
    std::uint64_t digest = 0;
    Values values;
  };

  explicit Witness(Slip slip) : slip_(slip) {}

  void executed(std::uint64_t number, std::uint64_t update, std::uint64_t digest,
                const Values& values);
  std::size_t executions() const { return executions_; }
  /// How many updates there are in the one order, so far.
  std::uint64_t last() const { return states_.size() - 1; }
  const State& at(std::uint64_t number) const { return states_[number]; }
  bool knows(std::uint64_t update) const { return updates_.contains(update); }
  std::int64_t value(std::uint64_t number, const std::string& cell) const;

  /// Who turns now.
  void set_node(Rank node) { node_ = node; }
  Rank node() const { return node_; }
  Slip slip() const { return slip_; }
  const std::vector<std::string>& violations() const { return violations_; }

 private:
  Slip slip_;
  Rank node_ = 0;
  std::size_t executions_ = 0;
  std::vector<State> states_ = std::vector<State>(1);
  std::map<std::uint64_t, std::uint64_t> updates_;  // where they are in the order
  std::vector<std::string> violations_;
};

class Cells {
 public:
  /// Of all there are; one run at a time.
  static Witness* witness;
  /// In the state, besides.
  static std::size_t padding;

  Made write(std::uint64_t update, const std::string& cell, std::int64_t value);
  /// 1 if it was `expected` and is `value` now, else 0.
  Made compare_and_set(std::uint64_t update, const std::string& cell, std::int64_t expected,
                       std::int64_t value);
  Made add(std::uint64_t update, const std::string& cell, std::int64_t amount);
  Made read(const std::string& cell) const;

  template <class Archive>
  void serialize(Archive& archive) {
    std::string ballast(padding, '.');
    archive(values_, executed_, ballast);
    if (witness->slip() != Slip::thin_state) archive(chain_);
  }

 private:
  Made made(std::uint64_t update, std::int64_t result);
  std::uint64_t digest() const;

  Values values_;
  std::uint64_t executed_ = 0;
  std::uint64_t chain_ = 0;  // over all that was executed
};

}  // namespace squall::scenarios
