// The single-producer ring is the classical one: two counters on lines of their own, each side
// caching the other's (Lamport 1977; MCRingBuffer, Lee et al., 2009). It publishes every entry, as
// a queue with push and pop does, or a batch at a time, as it can when both loops are its own.

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <vector>

#include "bench/limits/limits.h"
#include "bench/limits/sides.h"
#include "bench/samples/samples.h"
#include "core/base/ring_math.h"

namespace squall::bench {
namespace {

constexpr std::size_t ring_bytes = std::size_t{1} << 20;
constexpr std::uint64_t publish_batch = 64;

struct RingCounters {
  alignas(64) std::atomic<std::uint64_t> written{0};
  alignas(64) std::atomic<std::uint64_t> read{0};
};
static_assert(sizeof(RingCounters) == 128);

/// The entries lie behind the counters.
struct Ring {
  RingCounters& counters;
  std::byte* entries;
  std::size_t stride;
  std::uint64_t capacity;  ///< entries, a power of two
  std::uint64_t batch;     ///< entries a publication, at most a quarter of the capacity

  std::byte* entry(std::uint64_t index) const {
    return entries + (index & (capacity - 1)) * stride;
  }
};

std::uint64_t capacity_for(std::size_t stride) {
  std::uint64_t capacity = 4;
  while (capacity * 2 * stride <= ring_bytes) capacity *= 2;
  return capacity;
}

/// Appends until `until`; gives entries per second that the reader has taken.
double produce(Side& side, const Ring& ring, const std::vector<std::byte>& payload,
               Duration duration) {
  const std::uint64_t batch = ring.batch;
  // Between two looks at the clock: enough that they cost nothing.
  const std::uint64_t batches_per_look = std::max<std::uint64_t>(
      1, std::min<std::uint64_t>(1024, ring_bytes / 4 / ring.stride) / batch);
  std::uint64_t written = ring.counters.written.load(std::memory_order_relaxed);
  std::uint64_t known_read = ring.counters.read.load(std::memory_order_acquire);
  const std::uint64_t read_before = known_read;
  const Time start = Monotonic::now();
  const Time until = start + duration;
  Time now = start;
  while (now < until) {
    for (std::uint64_t i = 0; i < batches_per_look; ++i) {
      while (written + batch - known_read > ring.capacity) {
        known_read = ring.counters.read.load(std::memory_order_acquire);
        if (written + batch - known_read <= ring.capacity) break;
        side.relax();
        if (side.finished()) return 0;
      }
      for (std::uint64_t end = written + batch; written < end; ++written)
        if (!payload.empty()) std::memcpy(ring.entry(written), payload.data(), payload.size());
      ring.counters.written.store(written, std::memory_order_release);
    }
    now = Monotonic::now();
  }
  const std::uint64_t taken = ring.counters.read.load(std::memory_order_acquire) - read_before;
  return static_cast<double>(taken) / std::chrono::duration<double>(now - start).count();
}

void consume(Side& side, const Ring& ring, std::size_t size) {
  std::uint64_t read = 0;
  std::uint64_t sum = 0;
  while (!side.finished()) {
    const std::uint64_t written = ring.counters.written.load(std::memory_order_acquire);
    if (written == read) {
      side.relax();
      continue;
    }
    while (read < written) {
      // In place, a word of each: what a handler does at least.
      const std::uint64_t end = std::min(written, read + ring.batch);
      for (; read < end; ++read) {
        std::uint64_t word = 0;
        std::memcpy(&word, ring.entry(read), std::min(size, sizeof(word)));
        sum += word;
      }
      ring.counters.read.store(read, std::memory_order_release);
    }
  }
  asm volatile("" : : "r"(sum));
}

struct Mailbox {
  alignas(64) std::atomic<std::uint64_t> sequence{0};
};

}  // namespace

Result<Limit> measure_ring(std::size_t size, Publish publish, Duration duration) {
  const std::size_t stride = round_up(std::max<std::size_t>(size, 8), 8);
  const std::uint64_t capacity = capacity_for(stride);
  auto block = SharedBlock::create(sizeof(RingCounters) + capacity * stride);
  if (!block) return tl::unexpected(block.error());
  auto& counters = *new (block->data()) RingCounters;
  const std::uint64_t batch =
      publish == Publish::every_entry ? 1 : std::min(publish_batch, capacity / 4);
  const Ring ring{counters, block->data() + sizeof(RingCounters), stride, capacity, batch};
  const auto entries_per_s = run_pair(
      [&](Side& side) {
        const std::vector<std::byte> payload(size, std::byte{7});
        side.meet();
        produce(side, ring, payload, round_of(duration) / 2);  // warms up
        return median_of(rounds_per_measurement, [&]() -> Result<double> {
          return produce(side, ring, payload, round_of(duration));
        });
      },
      [&](Side& side) -> Result<> {
        side.meet();
        consume(side, ring, size);
        return {};
      },
      limit_of(duration));
  if (!entries_per_s) return tl::unexpected(entries_per_s.error());
  return Limit{fmt::format("raw single-producer ring{}, {} B",
                           publish == Publish::every_entry ? "" : ", batched", size),
               *entries_per_s, "messages/s"};
}

Result<Limit> measure_shared_memory_one_way(std::size_t size, Duration duration) {
  const std::size_t area = round_up(std::max<std::size_t>(size, 8), 64);
  auto block = SharedBlock::create(2 * (sizeof(Mailbox) + area));
  if (!block) return tl::unexpected(block.error());
  auto& ping = *new (block->data()) Mailbox;
  auto& pong = *new (block->data() + sizeof(Mailbox)) Mailbox;
  std::byte* there = block->data() + 2 * sizeof(Mailbox);
  std::byte* back = there + area;
  const auto post = [size](Mailbox& box, std::byte* to, const std::byte* from, std::uint64_t n) {
    if (size != 0) std::memcpy(to, from, size);
    box.sequence.store(n, std::memory_order_release);
  };
  const auto await = [](Side& side, const Mailbox& box, std::uint64_t n) {
    while (box.sequence.load(std::memory_order_acquire) < n && !side.finished()) side.relax();
  };
  const auto one_way_us = run_pair(
      [&](Side& side) {
        const std::vector<std::byte> payload(size, std::byte{7});
        std::uint64_t n = 0;
        side.meet();
        return median_of(rounds_per_measurement, [&]() -> Result<double> {
          // The median of short batches: a clock read costs as much as half a trip.
          constexpr int batch = 20;
          std::vector<double> trips;
          const Time until = Monotonic::now() + round_of(duration);
          for (Time start = Monotonic::now(); start < until && !side.finished();) {
            for (int i = 0; i < batch; ++i) {
              post(ping, there, payload.data(), ++n);
              await(side, pong, n);
            }
            const Time now = Monotonic::now();
            trips.push_back(std::chrono::duration<double, std::micro>(now - start).count() / batch);
            start = now;
          }
          return median(std::move(trips)) / 2;
        });
      },
      [&](Side& side) -> Result<> {
        const std::vector<std::byte> payload(size, std::byte{9});
        side.meet();
        for (std::uint64_t n = 1; !side.finished(); ++n) {
          await(side, ping, n);
          post(pong, back, payload.data(), n);
        }
        return {};
      },
      limit_of(duration));
  if (!one_way_us) return tl::unexpected(one_way_us.error());
  return Limit{fmt::format("raw shared memory, one way, {} B", size), *one_way_us, "us"};
}

}  // namespace squall::bench
