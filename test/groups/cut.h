#pragma once
// Cuts single connections of two processes from outside, as if the host had: a copy of the socket
// is taken out of one of them (pidfd_getfd(2), Linux 5.6) and shut down, so both ends see it hung
// up.

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <vector>

namespace squall::group_tests {

/// Why this process may not do that to one of its own children; empty if it can.
std::string why_no_cut(pid_t child);

/// The connections of `one` to `other` by which they share memory (providers/shm): how many were
/// cut.
std::size_t cut_shared_memory(pid_t one, pid_t other);

/// Those over tcp, but for those from or to the `rendezvous` ("host:port"): how many were cut.
std::size_t cut_tcp(pid_t one, pid_t other, const std::vector<std::string>& rendezvous);

}  // namespace squall::group_tests
