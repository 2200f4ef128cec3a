#pragma once
// What this process takes of its machine.

#include <cstdint>

namespace squall::bench {

/// Processor time since its start, of all threads, in and out of the kernel.
double cpu_seconds();
/// Resident now (statm in proc(5)), not at its peak.
std::uint64_t resident_bytes();

}  // namespace squall::bench
