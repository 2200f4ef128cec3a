// Raw TCP over loopback from process to process, as a chain hands an object on: each receives it
// into a buffer of the object's size and sends it on from there, in pieces as they come. That was
// up to half as fast again as waiting for whole blocks (MSG_WAITALL), and sleeping when there is
// nothing as fast as looking again with more processes than cores.

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "bench/limits/limits.h"
#include "bench/limits/loopback.h"
#include "bench/limits/sides.h"

namespace squall::bench {
namespace {

/// A way through a buffer, from its start to its end and again.
class Walk {
 public:
  explicit Walk(std::size_t size) : object_(size, std::byte{7}) {}

  /// At most a block, to the end of the buffer.
  MutableBytes ahead() {
    return MutableBytes(object_).subspan(at_, std::min(block_bytes, object_.size() - at_));
  }
  void advance(std::size_t bytes) { at_ = at_ + bytes == object_.size() ? 0 : at_ + bytes; }

 private:
  std::vector<std::byte> object_;
  std::size_t at_ = 0;
};

/// Tells the other end that nothing more comes, whoever else holds this socket.
class Ending {
 public:
  explicit Ending(int socket) : socket_(socket) {}
  Ending(const Ending&) = delete;
  Ending& operator=(const Ending&) = delete;
  ~Ending() {
    if (socket_ >= 0) shutdown(socket_, SHUT_RDWR);
  }

 private:
  int socket_;
};

/// Hands on what comes from `from` to `to` (or to nobody: -1), and counts it.
Result<> relay(Side& side, std::size_t size, int from, int to,
               std::atomic<std::uint64_t>& received) {
  const Ending behind(from);
  const Ending ahead(to);
  Walk walk(size);
  side.meet();
  std::uint64_t total = 0;
  for (;;) {
    const MutableBytes room = walk.ahead();
    const ssize_t got = recv(from, room.data(), room.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && !side.finished()) return fail_errno("recv", errno);
    if (got <= 0) return {};
    const Bytes piece = room.first(static_cast<std::size_t>(got));
    received.store(total += piece.size(), std::memory_order_relaxed);
    walk.advance(piece.size());
    if (to < 0) continue;
    if (auto sent = send_all(to, piece); !sent) return side.finished() ? Result<>{} : sent;
  }
}

/// Bytes per second that the last one received.
Result<double> feed(Side& side, std::size_t size, int to,
                    const std::atomic<std::uint64_t>& received, Duration duration) {
  const Ending ahead(to);
  Walk walk(size);
  side.meet();
  // All buffers once, so that what is measured is not the memory's first use (see sides.h).
  const Time warm_by = Monotonic::now() + longest_warm_up;
  for (std::size_t sent = 0; sent < size && Monotonic::now() < warm_by;) {
    const MutableBytes block = walk.ahead();
    if (auto went = send_all(to, block); !went) return tl::unexpected(went.error());
    walk.advance(block.size());
    sent += block.size();
  }
  auto rate = median_of(rounds_per_measurement, [&]() -> Result<double> {
    const std::uint64_t before = received.load(std::memory_order_relaxed);
    const auto arrived = [&] { return received.load(std::memory_order_relaxed) - before; };
    const Time start = Monotonic::now();
    const Time until = start + round_of(duration);
    Time now = start;
    for (; now < until || arrived() == 0; now = Monotonic::now()) {
      const MutableBytes block = walk.ahead();
      if (auto sent = send_all(to, block); !sent) return tl::unexpected(sent.error());
      walk.advance(block.size());
    }
    return static_cast<double>(arrived()) / std::chrono::duration<double>(now - start).count();
  });
  side.finish();
  return rate;
}

}  // namespace

Result<Limit> measure_tcp_chain(std::size_t size, unsigned members, Duration duration) {
  if (size == 0 || members < 2 || members > 1 + most_partners)
    return fail(Code::invalid, fmt::format("a chain has 2 to {} members, not {}, and an object",
                                           1 + most_partners, members));
  auto block = SharedBlock::create(sizeof(std::atomic<std::uint64_t>));
  if (!block) return tl::unexpected(block.error());
  auto& at_the_last = *new (block->data()) std::atomic<std::uint64_t>(0);
  std::vector<Connection> links;  // links[i] leads from member i to the next
  for (unsigned i = 0; i + 1 < members; ++i) {
    auto link = Connection::open();
    if (!link) return tl::unexpected(link.error());
    links.push_back(std::move(*link));
  }
  std::vector<Partner> relays;
  for (unsigned self = 1; self < members; ++self)
    relays.push_back([&, self](Side& side) {
      const bool last = self + 1 == members;
      std::atomic<std::uint64_t> own{0};
      return relay(side, size, links[self - 1].end(1), last ? -1 : links[self].end(0),
                   last ? at_the_last : own);
    });
  const auto bytes_per_s = run_sides(
      [&](Side& side) { return feed(side, size, links[0].end(0), at_the_last, duration); }, relays,
      limit_of(duration));
  if (!bytes_per_s) return tl::unexpected(bytes_per_s.error());
  return Limit{fmt::format("raw TCP chain, {} members, {} B, all copies", members, size),
               *bytes_per_s * (members - 1), "bytes/s"};
}

}  // namespace squall::bench
