#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "bench/limits/limits.h"
#include "bench/limits/loopback.h"
#include "bench/limits/sides.h"
#include "bench/samples/samples.h"

namespace squall::bench {
namespace {

// A receiver that looks again at once holds the socket's lock whenever the sender's segments come,
// which then have to queue for it; one that sleeps at once costs the sender a wake-up each time.
constexpr Duration look_again_for = 50us;
constexpr unsigned pauses_between_looks = 64;
constexpr std::size_t piece_bytes = std::size_t{1} << 20;

/// Spins until all of it is there, or the other side has finished.
Result<> receive_all(Side& side, int socket, MutableBytes bytes) {
  while (!bytes.empty()) {
    const ssize_t got = recv(socket, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got > 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(got));
    } else if (got == 0) {
      return fail(Code::lost, "the other end of a loopback connection closed it");
    } else if (errno == EAGAIN || errno == EINTR) {
      if (side.finished()) return fail(Code::closed, "finished");
      side.relax();
    } else {
      return fail_errno("recv", errno);
    }
  }
  return {};
}

}  // namespace

std::string stream_name(const char* what, std::size_t size, std::size_t count) {
  return count == 1 ? fmt::format("{}, {} B", what, size)
                    : fmt::format("{}, {} B, {} a send", what, size, count);
}

Result<Limit> measure_tcp_round_trip(std::size_t size, Duration duration) {
  auto connection = Connection::open();
  if (!connection) return tl::unexpected(connection.error());
  const std::size_t bytes = std::max<std::size_t>(size, 1);
  const auto trip_us = run_pair(
      [&](Side& side) {
        const int socket = connection->keep(0);
        std::vector<std::byte> message(bytes, std::byte{7});
        Samples samples;
        return median_of(rounds_per_measurement, [&]() -> Result<double> {
          samples.clear();
          const Time until = Monotonic::now() + round_of(duration);
          for (Time start = Monotonic::now(); start < until;) {
            if (auto sent = send_all(socket, message); !sent) return tl::unexpected(sent.error());
            if (auto got = receive_all(side, socket, message); !got)
              return tl::unexpected(got.error());
            const Time now = Monotonic::now();
            samples.add(now - start);
            start = now;
          }
          return std::chrono::duration<double, std::micro>(samples.percentile(0.5)).count();
        });
      },
      [&](Side& side) -> Result<> {
        const int socket = connection->keep(1);
        std::vector<std::byte> message(bytes);
        for (;;) {
          // The end of the measurement is the end of the connection, or of the other side.
          if (!receive_all(side, socket, message)) return {};
          if (!send_all(socket, message)) return {};
        }
      },
      limit_of(duration));
  if (!trip_us) return tl::unexpected(trip_us.error());
  return Limit{fmt::format("raw TCP round trip, {} B", size), *trip_us, "us"};
}

std::size_t messages_per_send(std::size_t size, Sends sends) {
  const std::size_t bytes = std::max<std::size_t>(size, 1);
  return sends == Sends::joined ? std::max<std::size_t>(1, joined_bytes / bytes) : 1;
}

Result<Limit> measure_tcp_stream(std::size_t size, Sends sends, Duration duration) {
  auto connection = Connection::open();
  if (!connection) return tl::unexpected(connection.error());
  auto block = SharedBlock::create(sizeof(std::atomic<std::uint64_t>));
  if (!block) return tl::unexpected(block.error());
  auto& received = *new (block->data()) std::atomic<std::uint64_t>(0);
  const std::size_t count = messages_per_send(size, sends);
  const std::size_t bytes = count * std::max<std::size_t>(size, 1);
  const std::size_t sends_per_look = std::max<std::size_t>(1, piece_bytes / bytes);
  const auto bytes_per_s = run_pair(
      [&](Side&) {
        const int socket = connection->keep(0);
        const std::vector<std::byte> message(bytes, std::byte{7});
        return median_of(rounds_per_measurement, [&]() -> Result<double> {
          const std::uint64_t before = received.load(std::memory_order_relaxed);
          const auto arrived = [&] { return received.load(std::memory_order_relaxed) - before; };
          const Time start = Monotonic::now();
          const Time until = start + round_of(duration);
          Time now = start;
          for (; now < until || arrived() == 0; now = Monotonic::now())
            for (std::size_t i = 0; i < std::min<std::size_t>(sends_per_look, 16); ++i)
              if (auto sent = send_all(socket, message); !sent) return tl::unexpected(sent.error());
          return static_cast<double>(arrived()) /
                 std::chrono::duration<double>(now - start).count();
        });
      },
      [&](Side& side) -> Result<> {
        const int socket = connection->keep(1);
        std::vector<std::byte> buffer(piece_bytes);
        std::uint64_t total = 0;
        for (Time empty_since = Time::max();;) {
          const ssize_t got = recv(socket, buffer.data(), buffer.size(), MSG_DONTWAIT);
          if (got > 0) {
            received.store(total += static_cast<std::uint64_t>(got), std::memory_order_relaxed);
            empty_since = Time::max();
            continue;
          }
          if (got == 0 || side.finished()) return {};
          const Time now = Monotonic::now();
          empty_since = std::min(empty_since, now);
          if (now - empty_since > look_again_for) {
            pollfd watched{socket, POLLIN, 0};
            poll(&watched, 1, 10);
          }
          for (unsigned i = 0; i < pauses_between_looks; ++i) side.relax();
        }
      },
      limit_of(duration));
  if (!bytes_per_s) return tl::unexpected(bytes_per_s.error());
  return Limit{stream_name("raw TCP stream", size, count), *bytes_per_s, "bytes/s"};
}

}  // namespace squall::bench
