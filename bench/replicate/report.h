#pragma once
// What people see of a replication: the bar while it runs, the table at its end. Pure.

#include <string>

#include "bench/replicate/member.h"
#include "bench/replicate/walk.h"

namespace squall::replicate {

/// One line without its end, exactly `columns` wide at most: share done, rate, files.
std::string progress_line(const Totals& totals, std::uint64_t files, std::uint64_t bytes,
                          Duration elapsed, unsigned columns);

/// Several lines. `members` is how many hold it; latency is shown when `summary` is the sender's.
std::string table(const Summary& summary, unsigned members);

/// "137.0 MB": decimal, three or four digits.
std::string in_bytes(double bytes);
/// "1.2 ms".
std::string in_time(Duration time);

}  // namespace squall::replicate
