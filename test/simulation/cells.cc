#include "test/simulation/cells.h"

#include <fmt/format.h>

#include "core/base/bytes.h"
#include "test/checker/trace.h"

namespace squall::scenarios {
namespace {

constexpr std::size_t most_told = 8;  // violations

}  // namespace

Witness* Cells::witness = nullptr;
std::size_t Cells::padding = 0;

void Witness::executed(std::uint64_t number, std::uint64_t update, std::uint64_t digest,
                       const Values& values) {
  ++executions_;
  const auto complain = [&](std::string text) {
    if (violations_.size() < most_told) violations_.push_back(std::move(text));
  };
  if (number > states_.size())
    return complain(fmt::format("replica equality: node {} executes update {} after only {}", node_,
                                number, states_.size() - 1));
  if (number == states_.size()) {
    states_.push_back({update, digest, values});
    if (const auto [first, fresh] = updates_.emplace(update, number); !fresh)
      complain(fmt::format("effects: call {:x} is executed twice, as update {} and {}", update,
                           first->second, number));
    return;
  }
  const State& known = states_[number];
  if (known.update != update)
    complain(fmt::format("replica equality: update {} is call {:x} at node {}, and {:x} at another",
                         number, update, node_, known.update));
  else if (known.digest != digest)
    complain(fmt::format("replica equality: after update {} node {} has another state than others",
                         number, node_));
}

std::int64_t Witness::value(std::uint64_t number, const std::string& cell) const {
  const Values& values = states_[number].values;
  const auto found = values.find(cell);
  return found == values.end() ? 0 : found->second;
}

Made Cells::write(std::uint64_t update, const std::string& cell, std::int64_t value) {
  values_[cell] = value;
  return made(update, value);
}

Made Cells::compare_and_set(std::uint64_t update, const std::string& cell, std::int64_t expected,
                            std::int64_t value) {
  std::int64_t& now = values_[cell];
  const bool was = now == expected;
  if (was) now = value;
  return made(update, was ? 1 : 0);
}

Made Cells::add(std::uint64_t update, const std::string& cell, std::int64_t amount) {
  std::int64_t& now = values_[cell];
  const std::int64_t before = now;
  const std::int64_t sum = now += amount;
  const bool forgets =
      (witness->slip() == Slip::lost_update && executed_ % 8 == 0) ||
      (witness->slip() == Slip::one_forgets && witness->node() == 1 && executed_ % 8 == 0);
  if (forgets) now = before;
  return made(update, sum);
}

Made Cells::read(const std::string& cell) const {
  const auto found = values_.find(cell);
  return {executed_, found == values_.end() ? 0 : found->second};
}

Made Cells::made(std::uint64_t update, std::int64_t result) {
  ++executed_;
  chain_ = (chain_ ^ update ^ static_cast<std::uint64_t>(result)) * 0x9e3779b97f4a7c15ull;
  chain_ ^= chain_ >> 31;
  witness->executed(executed_, update, digest(), values_);
  return {executed_, result};
}

/// Of all that is in the state.
std::uint64_t Cells::digest() const {
  std::uint64_t all = chain_ ^ executed_;
  for (const auto& [cell, value] : values_) {
    all = (all ^ checker::digest(as_bytes(cell))) * 0xbf58476d1ce4e5b9ull;
    all = (all ^ static_cast<std::uint64_t>(value)) * 0x94d049bb133111ebull;
    all ^= all >> 29;
  }
  return all;
}

}  // namespace squall::scenarios
