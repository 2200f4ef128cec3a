#pragma once
// Limits for what members do while others want the cores, too.

#include <sys/types.h>

#include <utility>
#include <vector>

#include "core/base/time.h"

namespace squall::group_tests {

/// A moment, and later ones counted from it, for the processes of a test. What the machine keeps
/// from them does not count: how long they are ready to run while others do (proc(5), `schedstat`;
/// nothing where the kernel does not say). How long they are blocked does.
class Moment {
 public:
  /// By the clock alone.
  Moment(Time at) : at_(at) {}
  /// From now on, for all processes of this test that run.
  static Moment now();

  Moment operator+(Duration later) const;
  Moment& operator+=(Duration later);
  /// By the clock, as far as is known: later, the more has been kept from them since `now()`.
  Time time() const { return at_ + kept(); }
  /// What has been kept from all of them together, as they may have waited for each other.
  Duration kept() const;

 private:
  Time at_;
  std::vector<std::pair<pid_t, Duration>> before_;
};

}  // namespace squall::group_tests
