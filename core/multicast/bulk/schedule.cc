#include "core/multicast/bulk/schedule.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "core/base/assert.h"
#include "core/multicast/bulk/hypercube.h"
#include "core/multicast/bulk/twins.h"

namespace squall::multicast::bulk {
namespace {

constexpr std::string_view names[] = {"sequential", "chain", "binomial_tree", "binomial_pipeline"};

unsigned rounds_of(Place members) {
  return static_cast<unsigned>(std::bit_width(members - 1));
}

class Sequential final : public Schedule {
 public:
  Sequential(Step steps, Place members, Place self)
      : Schedule(steps), others_(members - 1), self_(self) {}

  std::optional<Move> sends(Step step) const override {
    if (self_ != 0 || step >= steps()) return std::nullopt;
    return Move{static_cast<Place>(1 + step % others_), static_cast<Block>(step / others_)};
  }
  std::optional<Move> receives(Step step) const override {
    if (self_ == 0 || step >= steps() || step % others_ != self_ - 1) return std::nullopt;
    return Move{0, static_cast<Block>(step / others_)};
  }

 private:
  Place others_;
  Place self_;
};

class Chain final : public Schedule {
 public:
  Chain(Step steps, Place members, Block blocks, Place self)
      : Schedule(steps), members_(members), blocks_(blocks), self_(self) {}

  std::optional<Move> sends(Step step) const override {
    if (self_ + 1 == members_) return std::nullopt;
    return move(step, self_, self_ + 1);
  }
  std::optional<Move> receives(Step step) const override {
    if (self_ == 0) return std::nullopt;
    return move(step, self_ - 1, self_ - 1);
  }

 private:
  std::optional<Move> move(Step step, Place sender, Place peer) const {
    if (step < sender || step - sender >= blocks_) return std::nullopt;
    return Move{peer, static_cast<Block>(step - sender)};
  }

  Place members_;
  Block blocks_;
  Place self_;
};

class BinomialTree final : public Schedule {
 public:
  BinomialTree(Step steps, Place members, Block blocks, Place self)
      : Schedule(steps), members_(members), blocks_(blocks), self_(self) {}

  std::optional<Move> sends(Step step) const override {
    const Place have = those_who_have(step);
    if (step >= steps() || self_ >= have || self_ + have >= members_) return std::nullopt;
    return Move{self_ + have, static_cast<Block>(step % blocks_)};
  }
  std::optional<Move> receives(Step step) const override {
    const Place have = those_who_have(step);
    if (step >= steps() || self_ < have || self_ >= 2 * have) return std::nullopt;
    return Move{self_ - have, static_cast<Block>(step % blocks_)};
  }

 private:
  Place those_who_have(Step step) const { return Place{1} << std::min<Step>(step / blocks_, 30); }

  Place members_;
  Block blocks_;
  Place self_;
};

/// Members above the largest power of two are twins of vertices from 1 on.
class BinomialPipeline final : public Schedule {
 public:
  BinomialPipeline(Step steps, Place members, Block blocks, Place self)
      : Schedule(steps),
        members_(members),
        cube_(static_cast<unsigned>(std::bit_width(members)) - 1, blocks),
        vertex_(self < cube_.vertices() ? self : self - cube_.vertices() + 1),
        me_(self < cube_.vertices() ? 0 : 1) {
    if (has_twin(vertex_)) mine_ = std::make_unique<Twins>(cube_, vertex_);
    for (Step edge = 0; cube_.vertices() > 1 && Hypercube::Vertex{1} << edge < cube_.vertices();
         ++edge) {
      const auto neighbour = cube_.neighbour(vertex_, edge);
      neighbours_.push_back(has_twin(neighbour) ? std::make_unique<Twins>(cube_, neighbour)
                                                : nullptr);
    }
  }

  std::optional<Move> sends(Step step) const override {
    if (step >= steps() || neighbours_.empty()) return std::nullopt;
    if (mine_) {
      const Twins::Roles& roles = mine_->roles(step);
      if (roles.passes[me_]) return Move{member(vertex_, 1 - me_), *roles.passes[me_]};
      if (roles.sender != me_) return std::nullopt;
    }
    if (step >= cube_.steps()) return std::nullopt;
    const auto block = cube_.goes(vertex_, step);
    if (!block) return std::nullopt;
    const auto to = cube_.neighbour(vertex_, step);
    const Twins* const theirs = neighbours_[step % neighbours_.size()].get();
    return Move{member(to, theirs != nullptr ? theirs->roles(step).receiver : 0), *block};
  }
  std::optional<Move> receives(Step step) const override {
    if (step >= steps() || neighbours_.empty()) return std::nullopt;
    if (mine_) {
      const Twins::Roles& roles = mine_->roles(step);
      if (roles.passes[1 - me_]) return Move{member(vertex_, 1 - me_), *roles.passes[1 - me_]};
      if (roles.receiver != me_) return std::nullopt;
    }
    const auto block = cube_.comes(vertex_, step);
    if (!block) return std::nullopt;
    const auto from = cube_.neighbour(vertex_, step);
    const Twins* const theirs = neighbours_[step % neighbours_.size()].get();
    return Move{member(from, theirs != nullptr ? theirs->roles(step).sender : 0), *block};
  }

 private:
  bool has_twin(Hypercube::Vertex vertex) const {
    return vertex != 0 && cube_.vertices() + vertex - 1 < members_;
  }
  Place member(Hypercube::Vertex vertex, unsigned which) const {
    return which == 0 ? vertex : cube_.vertices() + vertex - 1;
  }

  Place members_;
  Hypercube cube_;
  Hypercube::Vertex vertex_;
  std::uint8_t me_;  // of the two
  std::unique_ptr<Twins> mine_;
  std::vector<std::unique_ptr<Twins>> neighbours_;  // by edge; nullptr: one member
};

}  // namespace

std::string_view name(Kind kind) {
  return names[static_cast<std::size_t>(kind)];
}

std::optional<Kind> kind_named(std::string_view name) {
  const auto found = std::ranges::find(names, name);
  if (found == std::end(names)) return std::nullopt;
  return static_cast<Kind>(found - std::begin(names));
}

Step steps_of(Kind kind, Place members, Block blocks) {
  if (members < 2) return 0;
  switch (kind) {
    case Kind::sequential:
      return Step{blocks} * (members - 1);
    case Kind::chain:
      return Step{blocks} + members - 2;
    case Kind::binomial_tree:
      return Step{blocks} * rounds_of(members);
    case Kind::binomial_pipeline:
      return Step{blocks} + rounds_of(members) - 1;
  }
  return 0;
}

std::unique_ptr<const Schedule> Schedule::make(Kind kind, Place members, Block blocks, Place self) {
  SQUALL_ASSERT(blocks > 0 && self < members, "an object has a block, and a member its place");
  const Step steps = steps_of(kind, members, blocks);
  switch (kind) {
    case Kind::sequential:
      return std::make_unique<Sequential>(steps, members, self);
    case Kind::chain:
      return std::make_unique<Chain>(steps, members, blocks, self);
    case Kind::binomial_tree:
      return std::make_unique<BinomialTree>(steps, members, blocks, self);
    case Kind::binomial_pipeline:
      break;
  }
  return std::make_unique<BinomialPipeline>(steps, members, blocks, self);
}

}  // namespace squall::multicast::bulk
