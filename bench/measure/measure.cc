#include "bench/measure/measure.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>

#include "bench/launch/interrupt.h"
#include "bench/measure/beside.h"
#include "bench/measure/report.h"
#include "core/fabric/topology.h"

namespace squall::bench {

int measure(const MeasureOptions& options) {
  catch_interrupts();
  if (options.asked.pin) {
    const auto cores = fabric::usable_cores();
    if (std::find(cores.begin(), cores.end(), *options.asked.pin) == cores.end()) {
      fmt::print(stderr, "squall: cannot run on core {} (allowed here: {})\n", *options.asked.pin,
                 fmt::join(cores, ", "));
      return 2;
    }
  }
  const auto row = run_beside_limits(options.asked);
  if (!row) {
    fmt::print(stderr, "squall: {}\n", row.error().text());
    return 1;
  }
  fmt::print("{}", options.json ? as_json(*row) + "\n" : for_people(*row));
  return 0;
}

}  // namespace squall::bench
