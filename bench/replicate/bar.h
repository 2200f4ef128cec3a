#pragma once
// The bar on standard error while a replication runs, where that is a terminal. One thread at a
// time.

#include <cstdint>

#include "bench/replicate/walk.h"
#include "core/base/time.h"

namespace squall::replicate {

class Bar {
 public:
  explicit Bar(const Totals& totals);
  ~Bar() { clear(); }
  Bar(const Bar&) = delete;
  Bar& operator=(const Bar&) = delete;

  const Totals& totals() const { return totals_; }
  void show(std::uint64_t files, std::uint64_t bytes);
  /// Before anything else is printed.
  void clear();

 private:
  Totals totals_;
  bool shown_;
  bool dirty_ = false;
  Time start_ = Monotonic::now();
};

}  // namespace squall::replicate
