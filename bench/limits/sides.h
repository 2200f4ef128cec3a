#pragma once
// Forked processes that share memory, for a measurement: most often two. One a core when this
// process may use as many, killed with their parent or when they take too long. The first one
// measures.

#include <array>
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/time.h"

namespace squall::bench {

/// Memory that all these processes see: mapped before the fork, page-aligned, zeroed.
class SharedBlock {
 public:
  static Result<SharedBlock> create(std::size_t bytes);

  std::byte* data() const { return data_.get(); }
  std::size_t size() const { return data_.get_deleter().bytes; }

 private:
  struct Unmap {
    std::size_t bytes = 0;
    void operator()(std::byte* data) const;
  };
  explicit SharedBlock(std::unique_ptr<std::byte, Unmap> data) : data_(std::move(data)) {}
  std::unique_ptr<std::byte, Unmap> data_;
};

/// What one of them may use besides its own captures.
class Side {
 public:
  struct Shared;
  Side(Shared& shared, unsigned sides, bool crowded)
      : shared_(shared), sides_(sides), crowded_(crowded) {}

  /// All have come this far (or one has ended). The first call of each meets the others' first, and
  /// so on.
  void meet();
  /// Set by the measuring side when it is done; the others look.
  void finish();
  bool finished() const;
  /// While waiting for others: a pause, or the core given away when there are not enough for all.
  void relax() const;

 private:
  Shared& shared_;
  unsigned sides_;
  bool crowded_;
  unsigned met_ = 0;
};

using Measure = std::function<Result<double>(Side&)>;
using Partner = std::function<Result<>(Side&)>;
inline constexpr std::size_t most_partners = 63;

/// Runs all, each in a process of its own, and gives what `measure` returned. Fails with its error,
/// a partner's, Code::timeout, or Code::invalid of too many.
Result<double> run_sides(const Measure& measure, const std::vector<Partner>& partners,
                         Duration limit);
/// The same of two.
Result<double> run_pair(const Measure& measure, const Partner& partner, Duration limit);

/// The median of `round()` over `rounds` calls.
Result<double> median_of(unsigned rounds, const std::function<Result<double>()>& round);

/// Rounds within a measurement, and the length of one.
inline constexpr unsigned rounds_per_measurement = 5;
inline Duration round_of(Duration duration) {
  return duration / rounds_per_measurement;
}
/// Before a measurement all its memory is used once as it will be: of some virtual machines the
/// first use costs many times as much as those after it, by the kernel even where the program has
/// written the page before (their page tables are filled in by faults, one for each mode). No
/// longer than this.
inline constexpr Duration longest_warm_up = 5s;

/// What a measurement of `duration` may take before it counts as hung.
inline Duration limit_of(Duration duration) {
  return 4 * duration + 10s;
}

}  // namespace squall::bench
