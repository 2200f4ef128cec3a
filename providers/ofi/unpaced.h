#pragma once
// TCP connections that stay on this host, without pacing.
//
// Where the system's congestion control is BBR, Linux sends a burst, sets a timer for the next and
// wakes up for it, at whatever rate it takes the path for. On loopback there is no path to find
// out about, and the timers cost a stream of 64 KB messages much of its rate. Reno paces nothing,
// every kernel has it, and any process may choose it (tcp(7), TCP_CONGESTION). Between hosts the
// system's choice stays.

namespace squall::ofi {

/// A connected TCP socket both of whose ends are addresses of one host (the same, or both
/// loopback's) sends without pacing from now on. False: it is none, or the kernel would not.
/// Any thread.
bool unpace_within_host(int socket);

}  // namespace squall::ofi
