#pragma once
// The table of bars: what Squall must reach on two cores, what it reached just now.

#include <string>
#include <vector>

#include "bench/measure/case.h"
#include "core/base/error.h"

namespace squall::bench {

/// Some runs of one measurement, as one figure.
struct Spread {
  Spread(double only) : Spread(std::vector<double>{only}) {}
  explicit Spread(std::vector<double> runs);
  double median = 0;
  double least = 0;
  double most = 0;
};

/// One line of the table.
struct Bar {
  std::string what;
  std::string required;
  std::string measured;  ///< the median
  std::string spread;    ///< from the least to the most
  double ratio = 0;      ///< measured by required: 1 or more is reached, whichever way the bar runs
  bool reached() const { return ratio >= 1; }
};

/// At least `required` of something, or at most.
Bar at_least(std::string what, const Spread& measured, double required, std::string_view unit);
Bar at_most(std::string what, const Spread& measured, double required, std::string_view unit);

std::string heading();
std::string line_of(const Bar& bar);

struct SuiteOptions {
  double seconds = 1;  ///< of each case, all its runs together
  bool json = false;   ///< the cases as JSON lines, in place of the table
};

/// Every case runs three times, in turn with the others of its fabric and with its limits, so that
/// one noisy moment does not decide. Takes about a minute. Gives the exit status: 0 when everything
/// ran, also when a bar was missed.
int run_suite(const SuiteOptions& options);

}  // namespace squall::bench
