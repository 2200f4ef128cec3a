#pragma once
// `squall bench schedules`: how long each schedule takes to bring an object to so many members, on
// the model of a network.

#include "bench/schedules/settings.h"

namespace squall::bench {

/// Prints a table and a plot, or JSON; gives the exit status: 0, or 2 for what cannot be run and
/// for a file that cannot be written.
int compare_schedules(const SchedulesOptions& options);

}  // namespace squall::bench
