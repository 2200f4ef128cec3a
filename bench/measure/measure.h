#pragma once
// `squall bench throughput` and `squall bench latency`.

#include "bench/measure/case.h"

namespace squall::bench {

struct MeasureOptions {
  Case asked;
  bool json = false;
};

/// Prints the row; gives the exit status.
int measure(const MeasureOptions& options);

}  // namespace squall::bench
