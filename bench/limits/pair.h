#pragma once
// Two forked processes that share memory, for a measurement: one a core when this process may use
// two, killed with their parent or when they take too long. The first one measures.

#include <array>
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/time.h"

namespace squall::bench {

/// Memory that both processes see: mapped before the fork, page-aligned, zeroed.
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

/// What one of the two may use besides its own captures.
class PairSide {
 public:
  struct Shared;
  PairSide(Shared& shared, bool one_core) : shared_(shared), one_core_(one_core) {}

  /// Both have come this far (or the other one has ended). The first call of each meets the other's
  /// first, and so on.
  void meet();
  /// Set by the measuring side when it is done; the other one looks.
  void finish();
  bool finished() const;
  /// While waiting for the other: a pause, or the core given away when there is only one.
  void relax() const;

 private:
  Shared& shared_;
  bool one_core_;
  unsigned met_ = 0;
};

/// Runs both, each in a process of its own, and gives what `measure` returned. Fails with its
/// error, the other's, or Code::timeout.
Result<double> run_pair(const std::function<Result<double>(PairSide&)>& measure,
                        const std::function<Result<>(PairSide&)>& other, Duration limit);

/// The median of `round()` over `rounds` calls.
Result<double> median_of(unsigned rounds, const std::function<Result<double>()>& round);

/// Rounds within a measurement, and the length of one.
inline constexpr unsigned rounds_per_measurement = 5;
inline Duration round_of(Duration duration) {
  return duration / rounds_per_measurement;
}
/// What a measurement of `duration` may take before it counts as hung.
inline Duration limit_of(Duration duration) {
  return 4 * duration + 10s;
}

}  // namespace squall::bench
