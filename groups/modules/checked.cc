#include "groups/modules/checked.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/assert.h"
#include "core/mirror/ring_reader.h"

namespace squall::modules {

using multicast::ConstFrontier;
using multicast::Frontier;
using multicast::Run;
using multicast::SenderIndex;

namespace {

void end_process(const std::string& what) {
  assertion_failed("the order below checked", what.c_str(), __FILE__, __LINE__);
}

/// The first sender for which the left reaches further than the right; as many as there are if
/// none.
SenderIndex first_beyond(ConstFrontier left, ConstFrontier right) {
  SenderIndex sender = 0;
  while (sender < left.size() && left[sender] <= right[sender]) ++sender;
  return sender;
}

}  // namespace

Checked::Checked(std::unique_ptr<multicast::Order> below, bool is_total, Broken broken)
    : below_(std::move(below)),
      is_total_(is_total),
      broken_(broken ? std::move(broken) : end_process) {}

void Checked::step(const multicast::StageInput& input, mirror::Table& table,
                   multicast::StageOutput& output) {
  below_->step(input, table, output);
  last_.resize(output.frontier.size());
  // A sender's own promise counts for itself at once.
  std::vector<Round> given(input.below.begin(), input.below.end());
  for (Round& round : given) round = std::max(round, output.promise);
  if (const auto at = first_beyond(output.frontier, given); at < given.size())
    broken_(fmt::format("its frontier reaches to round {} of sender {}, of whom {} are received",
                        output.frontier[at], at, input.below[at]));
  if (const auto at = first_beyond(last_, output.frontier); at < last_.size())
    broken_(fmt::format("its frontier moves back from round {} of sender {} to {}", last_[at], at,
                        output.frontier[at]));
  last_.assign(output.frontier.begin(), output.frontier.end());
  std::vector<Round> closed = last_;
  below_->close(closed);
  if (const auto at = first_beyond(last_, closed); at < last_.size())
    broken_(fmt::format("its frontier, with round {} of sender {}, is not closed: {} would be",
                        last_[at], at, closed[at]));
}

void Checked::close(Frontier frontier) const {
  const std::vector<Round> given(frontier.begin(), frontier.end());
  below_->close(frontier);
  if (const auto at = first_beyond(frontier, given); at < given.size())
    broken_(
        fmt::format("closing takes sender {} from round {} on to {}", at, given[at], frontier[at]));
  std::vector<Round> again(frontier.begin(), frontier.end());
  below_->close(again);
  if (const auto at = first_beyond(frontier, again); at < again.size())
    broken_(fmt::format("what it has closed, with round {} of sender {}, is not closed",
                        frontier[at], at));
}

std::size_t Checked::walk(ConstFrontier heads, ConstFrontier to, std::span<Run> runs) const {
  // One stretch at a time: only then is it known what had been delivered before it.
  const std::size_t count =
      below_->walk(heads, to, runs.first(std::min(runs.size(), std::size_t{1})));
  if (count > 1) broken_(fmt::format("its walk gives {} stretches where one fits", count));
  if (count != 0) check_run(runs[0], heads, to);
  for (SenderIndex sender = 0; sender < heads.size() && count == 0; ++sender)
    if (heads[sender] < to[sender])
      broken_(fmt::format("its walk ends before round {} of sender {}, which is deliverable",
                          heads[sender], sender));
  return std::min(count, std::size_t{1});
}

void Checked::check_run(const Run& run, ConstFrontier heads, ConstFrontier to) const {
  if (run.sender >= heads.size())
    return broken_(fmt::format("its walk names sender {} of {}", run.sender, heads.size()));
  if (run.end > to[run.sender])
    broken_(
        fmt::format("its walk goes to round {} of sender {}, and deliverable is what is below "
                    "{}",
                    run.end, run.sender, to[run.sender]));
  if (heads[run.sender] >= run.end)
    broken_(
        fmt::format("its walk gets no further: the next message of sender {} has round {}, "
                    "and the stretch ends at {}",
                    run.sender, heads[run.sender], run.end));
  if (is_total_) check_place(run.sender, heads, to);
}

/// Delivers the sender's next message before all that are left: so it must be in the largest part
/// of the order in which none of those is.
void Checked::check_place(SenderIndex sender, ConstFrontier heads, ConstFrontier to) const {
  // Beyond all rounds, and far enough from the end of numbers for whoever adds to it.
  constexpr Round all = Round{1} << 62;
  std::vector<Round> others(heads.size());
  for (SenderIndex other = 0; other < heads.size(); ++other)
    others[other] = heads[other] >= to[other] ? all : heads[other];
  others[sender] = heads[sender] + 1;
  below_->close(others);
  if (others[sender] <= heads[sender])
    broken_(fmt::format("round {} of sender {} is delivered before what comes before it",
                        heads[sender], sender));
}

}  // namespace squall::modules
