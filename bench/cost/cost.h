#pragma once
// `squall bench cost`: what one link of a fabric is like, as `auto` wants to know it to choose how
// large objects travel (core/multicast/bulk/cost.h).

#include <string>

#include "bench/cost/one_way.h"
#include "core/base/error.h"

namespace squall::bench {

struct CostOptions {
  std::string fabric = "tcp";
  double seconds = 2;
  bool json = false;
};

/// What is said of it, for people or as a line of JSON. Pure.
std::string cost_text(const CostOptions& options, const OneWay& measured, const Line& line);

/// Prints the fit beside what `auto` begins with; gives the exit status.
int measure_cost(const CostOptions& options);

}  // namespace squall::bench
