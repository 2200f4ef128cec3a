#pragma once
// What this machine can do without Squall: the figures that ours stand beside. Each call forks two
// processes (a chain: as many as it has members), runs several short rounds within about
// `duration`, and gives the median round; sizes are bytes of one message, or of one object. Call
// from a process with one thread that has not opened libfabric.

#include <cstddef>
#include <string>

#include "core/base/error.h"
#include "core/base/time.h"

namespace squall::bench {

struct Limit {
  std::string what;  ///< for people: "raw ring, 64 B"
  double value = 0;
  std::string unit;  ///< "messages/s", "bytes/s" or "us"
};

/// Every entry, as a queue's push and pop do, or a batch of up to 64 at a time.
enum class Publish : unsigned char { every_entry, batches };

/// A single-producer ring in shared memory: entries per second from one process to another.
Result<Limit> measure_ring(std::size_t size, Publish publish, Duration duration);

/// One way through shared memory, spinning: half of a ping-pong, copied in, read in place.
Result<Limit> measure_shared_memory_one_way(std::size_t size, Duration duration);

/// There and back over TCP loopback with TCP_NODELAY, spinning.
Result<Limit> measure_tcp_round_trip(std::size_t size, Duration duration);

/// One send call a message, or as many whole messages in one as fit into `joined_bytes`.
enum class Sends : unsigned char { one_each, joined };
inline constexpr std::size_t joined_bytes = std::size_t{256} << 10;

/// One way over TCP loopback; the receiver takes pieces as large as come.
Result<Limit> measure_tcp_stream(std::size_t size, Sends sends, Duration duration);

/// The same two over a bare libfabric FI_EP_MSG endpoint of the tcp provider, spinning on its
/// completion queues; the stream keeps a window of sends and of posted receives.
Result<Limit> measure_libfabric_round_trip(std::size_t size, Duration duration);
Result<Limit> measure_libfabric_stream(std::size_t size, Sends sends, Duration duration);

/// Objects of `size` bytes over the same endpoint, one after another, in blocks: from a buffer of
/// that size to one of that size, so that no cache holds what does not fit into it.
inline constexpr std::size_t block_bytes = std::size_t{256} << 10;
Result<Limit> measure_libfabric_blocks(std::size_t size, std::size_t block, Duration duration);

/// Objects of `size` bytes over raw TCP from the first of `members` processes (2 to 64) to the
/// next, and so on: each but the last hands on blocks of `block_bytes`. The bytes that arrive at
/// all together: the rate at the last, times the copies. Code::invalid of other members, or no
/// size.
Result<Limit> measure_tcp_chain(std::size_t size, unsigned members, Duration duration);

/// Messages in one send.
std::size_t messages_per_send(std::size_t size, Sends sends);
/// "raw TCP stream, 64 B, 4096 a send".
std::string stream_name(const char* what, std::size_t size, std::size_t count);

/// One process copying `size` bytes again and again.
Result<Limit> measure_memcpy(std::size_t size, Duration duration);

/// One process copying `size` bytes out of memory that another one shares and has written, once:
/// what it costs at best when the application copies an object that it could read in place.
Result<Limit> measure_copy_between(std::size_t size, Duration duration);

}  // namespace squall::bench
