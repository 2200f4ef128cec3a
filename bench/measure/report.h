#pragma once
// Rows for people and for programs. Pure.

#include <string>

#include "bench/measure/case.h"

namespace squall::bench {

/// "throughput shm 3x 64B one".
std::string name_of(const Case& asked);

/// Several lines.
std::string for_people(const Row& row);

/// One line of JSON, without its end; keys as in the README of `bench`.
std::string as_json(const Row& row);

/// "12.3 M/s", "4.5 GB/s", "2.1 us", "0.06 us".
std::string in_unit(double value, std::string_view unit);

}  // namespace squall::bench
