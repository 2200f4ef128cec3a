#pragma once
// What a simulated network is like before any fault.

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "core/base/time.h"

namespace squall::sim {

/// A node's number, the same for all its runs: faults of links outlive a restart.
using Host = std::uint32_t;

struct Options {
  /// Of all randomness in the network.
  std::uint64_t seed = 1;
  /// From the last byte leaving a sender to its arrival, on every link.
  Duration latency = std::chrono::microseconds(20);
  /// Added to the latency of each packet: uniform in [0, jitter]. Order within a lane is kept.
  Duration jitter{0};
  /// Of each link in each direction, bytes per second; 0 is unlimited. 10 Gb/s.
  std::uint64_t bandwidth_bytes_per_s = 1'250'000'000;
  /// What a packet takes on the link beyond its payload, in bytes.
  std::size_t header_bytes = 32;
  /// A longer bulk packet is cut in slices of this many bytes, and urgent packets go between
  /// them: an urgent packet waits for one slice at most.
  std::size_t slice_bytes = std::size_t{64} << 10;
  /// Bytes of messages per connection and lane that the peer has not landed yet; a `send` beyond
  /// gets Code::would_block. At least max_message_bytes. Pushes do not count.
  std::size_t lane_bytes = std::size_t{4} << 20;
  /// As in fabric::Capabilities.
  std::size_t max_message_bytes = std::size_t{1} << 20;
  /// As in fabric::Capabilities; at least 256.
  std::size_t inline_bytes = 256;
  /// A crash, a closed endpoint or a disconnect becomes a `lost` event at the other end. Without
  /// it there is only silence (but a broken protocol is still told).
  bool detects_loss = true;
  /// From a crash until its news leaves towards the peers (latency comes on top).
  Duration loss_detection = std::chrono::milliseconds(2);
  /// How long `connect` waits for the other end, and an early ticket for its `connect`.
  Duration connect_timeout = std::chrono::seconds(5);
  /// Keep the trace's text, not only its hash.
  bool keep_trace = false;
};

}  // namespace squall::sim
