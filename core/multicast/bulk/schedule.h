#pragma once
// In which order the blocks of a large object travel among those who are to have it. Pure functions
// of who takes part, how many blocks there are, and the step: nobody is told what to do, everyone
// knows. Place 0 has the object; in one step a member sends at most one block and receives at
// most one.
//
// Behrens, Jha, Birman, Tremel: RDMC, A Reliable RDMA Multicast for Large Objects (DSN 2018), which
// also counts the steps. Its pipeline is Ganesan and Seshadri's (ICDCS 2005): every step, the
// vertices of a hypercube exchange blocks along one of its edges.

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

namespace squall::multicast::bulk {

enum class Kind : std::uint8_t {
  sequential,         ///< each block to one after the other: b * (n - 1) steps
  chain,              ///< from each to the next: b + n - 2
  binomial_tree,      ///< whoever has all of it passes it on: b * ceil(log2 n)
  binomial_pipeline,  ///< b + ceil(log2 n) - 1, the least there can be
};

/// "binomial_pipeline".
std::string_view name(Kind kind);
std::optional<Kind> kind_named(std::string_view name);

using Place = std::uint32_t;  ///< among those who take part; the owner is 0
using Block = std::uint32_t;  ///< from 0
using Step = std::uint64_t;   ///< from 0

struct Move {
  Place peer = 0;  ///< to whom, or from whom
  Block block = 0;
  friend bool operator==(const Move&, const Move&) = default;
};

/// How many steps it takes until everyone has everything. `members` and `blocks` at least 1.
Step steps_of(Kind kind, Place members, Block blocks);

/// What one member does.
class Schedule {
 public:
  static std::unique_ptr<const Schedule> make(Kind kind, Place members, Block blocks, Place self);
  virtual ~Schedule() = default;

  Step steps() const { return steps_; }
  virtual std::optional<Move> sends(Step step) const = 0;
  virtual std::optional<Move> receives(Step step) const = 0;

 protected:
  explicit Schedule(Step steps) : steps_(steps) {}

 private:
  Step steps_;
};

}  // namespace squall::multicast::bulk
