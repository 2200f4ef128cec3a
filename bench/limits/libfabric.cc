// A bare FI_EP_MSG endpoint of libfabric's tcp provider (fi_msg(3), fi_cm(3)), without anything of
// ours between it and the figure.

#include "providers/ofi/libfabric.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_eq.h>
#include <rdma/fi_errno.h>
#include <sched.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "bench/limits/limits.h"
#include "bench/limits/sides.h"
#include "bench/samples/samples.h"
#include "providers/ofi/unpaced.h"

namespace squall::bench {
namespace {

constexpr std::size_t window_bytes = std::size_t{4} << 20;
constexpr std::size_t max_window = 64;

using ofi::Fid;
using ofi::Info;
namespace libfabric = ofi::libfabric;

tl::unexpected<Error> fabric_error(const char* call, long code) {
  return fail(Code::io, fmt::format("{}: {}", call, libfabric::strerror(static_cast<int>(-code))));
}

/// As Squall's own are: see there. The endpoint's socket is among the first of this process.
void unpace_all() {
  constexpr int last = 1023;
  for (int fd = 0; fd <= last; ++fd) ofi::unpace_within_host(fd);
}

/// Where the listening side tells the other its port, and counts what arrived.
struct Meeting {
  std::atomic<std::uint32_t> port{0};
  alignas(64) std::atomic<std::uint64_t> received{0};
};

/// A connected endpoint; members are closed in reverse order.
class Endpoint {
 public:
  static Result<Endpoint> listen(Side& side, Meeting& meeting) {
    Endpoint made;
    if (auto opened = made.open("0", FI_SOURCE); !opened) return tl::unexpected(opened.error());
    fid_pep* raw = nullptr;
    if (int rc = fi_passive_ep(made.fabric_.get(), made.info_.get(), &raw, nullptr); rc != 0)
      return fabric_error("fi_passive_ep", rc);
    const Fid<fid_pep> passive(raw);
    if (int rc = fi_pep_bind(raw, &made.events_->fid, 0); rc != 0)
      return fabric_error("fi_pep_bind", rc);
    if (int rc = fi_listen(raw); rc != 0) return fabric_error("fi_listen", rc);
    sockaddr_in address{};
    std::size_t length = sizeof(address);
    if (int rc = fi_getname(&raw->fid, &address, &length); rc != 0)
      return fabric_error("fi_getname", rc);
    meeting.port.store(ntohs(address.sin_port), std::memory_order_release);
    auto request = made.event(side, FI_CONNREQ);
    if (!request) return tl::unexpected(request.error());
    made.info_.reset(*request);
    if (auto created = made.create(); !created) return tl::unexpected(created.error());
    if (int rc = fi_accept(made.endpoint_.get(), nullptr, 0); rc != 0)
      return fabric_error("fi_accept", rc);
    if (auto up = made.event(side, FI_CONNECTED); !up) return tl::unexpected(up.error());
    unpace_all();
    return made;
  }

  static Result<Endpoint> connect(Side& side, Meeting& meeting) {
    while (meeting.port.load(std::memory_order_acquire) == 0) {
      if (side.finished()) return fail(Code::lost, "the listening side ended");
      side.relax();
    }
    Endpoint made;
    const std::string port = std::to_string(meeting.port.load());
    if (auto opened = made.open(port.c_str(), 0); !opened) return tl::unexpected(opened.error());
    if (auto created = made.create(); !created) return tl::unexpected(created.error());
    if (int rc = fi_connect(made.endpoint_.get(), made.info_->dest_addr, nullptr, 0); rc != 0)
      return fabric_error("fi_connect", rc);
    if (auto up = made.event(side, FI_CONNECTED); !up) return tl::unexpected(up.error());
    unpace_all();
    return made;
  }

  std::size_t window(std::size_t size) const {
    const std::size_t fits =
        std::max<std::size_t>(2, window_bytes / std::max<std::size_t>(size, 1));
    return std::min({fits, max_window, info_->tx_attr->size, info_->rx_attr->size});
  }

  /// Both return false when the queue is full (turn it and try again).
  Result<bool> post_send(Bytes message) {
    const bool inject = message.size() <= info_->tx_attr->inject_size;
    const auto rc =
        inject ? fi_inject(endpoint_.get(), message.data(), message.size(), 0)
               : fi_send(endpoint_.get(), message.data(), message.size(), nullptr, 0, nullptr);
    if (rc == -FI_EAGAIN) return false;
    if (rc != 0) return fabric_error("fi_send", rc);
    in_flight_ += inject ? 0 : 1;
    return true;
  }
  Result<bool> post_receive(MutableBytes buffer) {
    const auto rc =
        fi_recv(endpoint_.get(), buffer.data(), buffer.size(), nullptr, 0, buffer.data());
    if (rc == -FI_EAGAIN) return false;
    if (rc != 0) return fabric_error("fi_recv", rc);
    return true;
  }

  /// Completed sends leave `in_flight`.
  Result<> turn_sends() {
    auto done = read(*sent_);
    if (!done) return tl::unexpected(done.error());
    in_flight_ -= done->size();
    return {};
  }
  std::size_t in_flight() const { return in_flight_; }
  /// The contexts (buffers) of completed receives; valid until the next call of either.
  Result<std::span<const fi_cq_entry>> turn_receives() { return read(*received_); }

 private:
  Result<> open(const char* port, std::uint64_t flags) {
    if (auto loaded = libfabric::load(); !loaded) return loaded;
    const Info hints(libfabric::dupinfo(nullptr));
    hints->ep_attr->type = FI_EP_MSG;
    hints->caps = FI_MSG;
    hints->mode = 0;
    hints->addr_format = FI_SOCKADDR_IN;
    hints->domain_attr->mr_mode = 0;
    hints->fabric_attr->prov_name = strdup("tcp");
    fi_info* found = nullptr;
    if (int rc =
            libfabric::getinfo(FI_VERSION(1, 14), "127.0.0.1", port, flags, hints.get(), &found);
        rc != 0)
      return fabric_error("libfabric has no tcp endpoint here", rc);
    info_.reset(found);
    fid_fabric* fabric = nullptr;
    if (int rc = libfabric::open_fabric(found->fabric_attr, &fabric); rc != 0)
      return fabric_error("fi_fabric", rc);
    fabric_.reset(fabric);
    fi_eq_attr attributes{};
    attributes.wait_obj = FI_WAIT_NONE;
    fid_eq* events = nullptr;
    if (int rc = fi_eq_open(fabric, &attributes, &events, nullptr); rc != 0)
      return fabric_error("fi_eq_open", rc);
    events_.reset(events);
    return {};
  }

  Result<Fid<fid_cq>> open_queue(std::uint64_t direction) {
    fi_cq_attr attributes{};
    attributes.size = 4 * max_window;
    attributes.format = FI_CQ_FORMAT_CONTEXT;
    attributes.wait_obj = FI_WAIT_NONE;
    fid_cq* queue = nullptr;
    if (int rc = fi_cq_open(domain_.get(), &attributes, &queue, nullptr); rc != 0)
      return fabric_error("fi_cq_open", rc);
    Fid<fid_cq> owned(queue);
    if (int rc = fi_ep_bind(endpoint_.get(), &queue->fid, direction); rc != 0)
      return fabric_error("fi_ep_bind", rc);
    return owned;
  }

  Result<> create() {
    fid_domain* domain = nullptr;
    if (int rc = fi_domain(fabric_.get(), info_.get(), &domain, nullptr); rc != 0)
      return fabric_error("fi_domain", rc);
    domain_.reset(domain);
    fid_ep* endpoint = nullptr;
    if (int rc = fi_endpoint(domain, info_.get(), &endpoint, nullptr); rc != 0)
      return fabric_error("fi_endpoint", rc);
    endpoint_.reset(endpoint);
    if (int rc = fi_ep_bind(endpoint, &events_->fid, 0); rc != 0)
      return fabric_error("fi_ep_bind", rc);
    auto sent = open_queue(FI_TRANSMIT);
    if (!sent) return tl::unexpected(sent.error());
    sent_ = std::move(*sent);
    auto received = open_queue(FI_RECV);
    if (!received) return tl::unexpected(received.error());
    received_ = std::move(*received);
    if (int rc = fi_enable(endpoint); rc != 0) return fabric_error("fi_enable", rc);
    return {};
  }

  /// Spins for one connection event; its info belongs to the caller (FI_CONNREQ only).
  Result<fi_info*> event(Side& side, std::uint32_t wanted) {
    for (;;) {
      std::uint32_t kind = 0;
      fi_eq_cm_entry entry{};
      const auto got = fi_eq_read(events_.get(), &kind, &entry, sizeof(entry), 0);
      if (got > 0 && kind == wanted) return entry.info;
      if (got > 0) return fail(Code::lost, fmt::format("unexpected connection event {}", kind));
      if (got != -FI_EAGAIN) return fabric_error("connecting", got);
      if (side.finished()) return fail(Code::lost, "the other side ended");
      side.relax();
    }
  }

  Result<std::span<const fi_cq_entry>> read(fid_cq& queue) {
    const auto got = fi_cq_read(&queue, entries_.data(), entries_.size());
    if (got == -FI_EAGAIN) return std::span<const fi_cq_entry>();
    if (got < 0) return fabric_error("fi_cq_read", got);
    return std::span<const fi_cq_entry>(entries_.data(), static_cast<std::size_t>(got));
  }

  Info info_;
  Fid<fid_fabric> fabric_;
  Fid<fid_eq> events_;
  Fid<fid_domain> domain_;
  Fid<fid_cq> sent_;
  Fid<fid_cq> received_;
  Fid<fid_ep> endpoint_;
  std::size_t in_flight_ = 0;
  std::array<fi_cq_entry, 32> entries_{};
};

/// Sends one and receives one, in the order asked for, until both are done.
class Exchange {
 public:
  Exchange(Side& side, Endpoint& endpoint, std::size_t bytes)
      : side_(side), endpoint_(endpoint), out_(bytes, std::byte{7}), in_(bytes) {}

  Result<> post() {
    auto posted = endpoint_.post_receive(in_);
    if (!posted) return tl::unexpected(posted.error());
    return *posted ? Result<>{} : fail(Code::io, "a receive was refused");
  }
  Result<> send() {
    for (;;) {
      auto sent = endpoint_.post_send(out_);
      if (!sent) return tl::unexpected(sent.error());
      if (*sent) return {};
      if (auto turned = endpoint_.turn_sends(); !turned) return turned;
      if (side_.finished()) return fail(Code::closed, "finished");
    }
  }
  /// Also waits for the send before it, whose buffer the next one uses.
  Result<> receive() {
    bool here = false;
    while (!here || endpoint_.in_flight() > 0) {
      auto got = endpoint_.turn_receives();
      if (!got) return tl::unexpected(got.error());
      here = here || !got->empty();
      if (endpoint_.in_flight() > 0)
        if (auto turned = endpoint_.turn_sends(); !turned) return turned;
      if (side_.finished()) return fail(Code::closed, "finished");
      if (!here) side_.relax();
    }
    return {};
  }

 private:
  Side& side_;
  Endpoint& endpoint_;
  std::vector<std::byte> out_;
  std::vector<std::byte> in_;
};

Result<double> round_trips(Side& side, Meeting& meeting, std::size_t bytes, Duration duration) {
  auto endpoint = Endpoint::connect(side, meeting);
  if (!endpoint) return tl::unexpected(endpoint.error());
  Exchange exchange(side, *endpoint, bytes);
  side.meet();
  Samples samples;
  auto trip_us = median_of(rounds_per_measurement, [&]() -> Result<double> {
    samples.clear();
    const Time until = Monotonic::now() + round_of(duration);
    for (Time start = Monotonic::now(); start < until;) {
      if (auto posted = exchange.post(); !posted) return tl::unexpected(posted.error());
      if (auto sent = exchange.send(); !sent) return tl::unexpected(sent.error());
      if (auto got = exchange.receive(); !got) return tl::unexpected(got.error());
      const Time now = Monotonic::now();
      samples.add(now - start);
      start = now;
    }
    return std::chrono::duration<double, std::micro>(samples.percentile(0.5)).count();
  });
  side.finish();
  return trip_us;
}

Result<> echo(Side& side, Meeting& meeting, std::size_t bytes) {
  auto endpoint = Endpoint::listen(side, meeting);
  if (!endpoint) return tl::unexpected(endpoint.error());
  Exchange exchange(side, *endpoint, bytes);
  if (auto posted = exchange.post(); !posted) return posted;
  side.meet();
  while (!side.finished()) {
    if (auto got = exchange.receive(); !got) break;
    if (auto posted = exchange.post(); !posted) break;
    if (auto sent = exchange.send(); !sent) break;
  }
  const bool clean = side.finished();
  return clean ? Result<>{} : fail(Code::lost, "the echoing endpoint failed");
}

/// Gives the core away after some turns for nothing: others may want it.
class Idle {
 public:
  void turned(bool worked) {
    if (worked) empty_turns_ = 0;
    if (++empty_turns_ > most_empty_turns) sched_yield();
  }

 private:
  static constexpr unsigned most_empty_turns = 32;
  unsigned empty_turns_ = 0;
};

/// Places for messages of one size, taken in turn. Messages arrive in the order of their receives,
/// so the next place is free when the oldest receive is done.
class Slots {
 public:
  Slots(std::size_t bytes, std::size_t area)
      : bytes_(bytes), memory_(round_up(area, bytes), std::byte{7}) {}

  MutableBytes get() { return {memory_.data() + at_, bytes_}; }
  void advance() { at_ = at_ + bytes_ == memory_.size() ? 0 : at_ + bytes_; }

 private:
  static std::size_t round_up(std::size_t area, std::size_t bytes) {
    return std::max<std::size_t>(1, (area + bytes - 1) / bytes) * bytes;
  }

  std::size_t bytes_;
  std::vector<std::byte> memory_;
  std::size_t at_ = 0;
};

/// Messages of `bytes` each, from an area of at least `area` bytes, one behind the other.
Result<double> stream_out(Side& side, Meeting& meeting, std::size_t bytes, std::size_t area,
                          Duration duration) {
  auto endpoint = Endpoint::connect(side, meeting);
  if (!endpoint) return tl::unexpected(endpoint.error());
  Slots slots(bytes, area);
  const std::size_t window = endpoint->window(bytes);
  Idle idle;
  side.meet();
  // Until then, and until `least` have arrived: bytes per second.
  const auto stream = [&](Time start, Time until, std::uint64_t least) -> Result<double> {
    const std::uint64_t before = meeting.received.load(std::memory_order_relaxed);
    const auto arrived = [&] { return meeting.received.load(std::memory_order_relaxed) - before; };
    Time now = start;
    for (; now < until || arrived() < least; now = Monotonic::now()) {
      while (endpoint->in_flight() < window) {
        auto sent = endpoint->post_send(slots.get());
        if (!sent) return tl::unexpected(sent.error());
        if (*sent) slots.advance();
        if (!*sent || bytes <= 128) break;  // injected ones leave no completion to count
      }
      const std::size_t in_flight = endpoint->in_flight();
      if (auto turned = endpoint->turn_sends(); !turned) return tl::unexpected(turned.error());
      idle.turned(endpoint->in_flight() < in_flight || in_flight < window);
      if (side.finished()) return fail(Code::lost, "the receiving side ended");
    }
    return static_cast<double>(arrived() * bytes) /
           std::chrono::duration<double>(now - start).count();
  };
  // All memory once, a bit at a time.
  const Time warm_by = Monotonic::now() + longest_warm_up;
  for (std::size_t warm = 0; warm < area && Monotonic::now() < warm_by; warm += bytes) {
    const Time now = Monotonic::now();
    if (auto sent = stream(now, now, 1); !sent) return sent;
  }
  auto rate = median_of(rounds_per_measurement, [&]() -> Result<double> {
    const Time now = Monotonic::now();
    return stream(now, now + round_of(duration), 1);
  });
  side.finish();
  return rate;
}

Result<> stream_in(Side& side, Meeting& meeting, std::size_t bytes, std::size_t area) {
  auto endpoint = Endpoint::listen(side, meeting);
  if (!endpoint) return tl::unexpected(endpoint.error());
  const std::size_t window = endpoint->window(bytes);
  Slots slots(bytes, std::max(area, window * bytes));
  for (std::size_t i = 0; i < window; ++i, slots.advance()) {
    auto posted = endpoint->post_receive(slots.get());
    if (!posted) return tl::unexpected(posted.error());
    if (!*posted) return fail(Code::io, "a receive was refused");
  }
  side.meet();
  std::uint64_t total = 0;
  Idle idle;
  while (!side.finished()) {
    auto got = endpoint->turn_receives();
    if (!got) return side.finished() ? Result<>{} : Result<>(tl::unexpected(got.error()));
    for (std::size_t i = 0; i < got->size(); ++i, slots.advance()) {
      auto posted = endpoint->post_receive(slots.get());
      if (!posted) return side.finished() ? Result<>{} : Result<>(tl::unexpected(posted.error()));
    }
    idle.turned(!got->empty());
    if (!got->empty()) meeting.received.store(total += got->size(), std::memory_order_relaxed);
  }
  return {};
}

/// Bytes per second of messages of `bytes` each, walking through areas of `area` bytes.
Result<double> stream(std::size_t bytes, std::size_t area, Duration duration) {
  auto shared = SharedBlock::create(sizeof(Meeting));
  if (!shared) return tl::unexpected(shared.error());
  auto& meeting = *new (shared->data()) Meeting;
  return run_pair([&](Side& side) { return stream_out(side, meeting, bytes, area, duration); },
                  [&](Side& side) { return stream_in(side, meeting, bytes, area); },
                  limit_of(duration));
}

}  // namespace

Result<Limit> measure_libfabric_round_trip(std::size_t size, Duration duration) {
  auto block = SharedBlock::create(sizeof(Meeting));
  if (!block) return tl::unexpected(block.error());
  auto& meeting = *new (block->data()) Meeting;
  const std::size_t bytes = std::max<std::size_t>(size, 1);
  const auto trip_us =
      run_pair([&](Side& side) { return round_trips(side, meeting, bytes, duration); },
               [&](Side& side) { return echo(side, meeting, bytes); }, limit_of(duration));
  if (!trip_us) return tl::unexpected(trip_us.error());
  return Limit{fmt::format("bare libfabric tcp round trip, {} B", size), *trip_us, "us"};
}

Result<Limit> measure_libfabric_stream(std::size_t size, Sends sends, Duration duration) {
  const std::size_t count = messages_per_send(size, sends);
  const auto bytes_per_s = stream(count * std::max<std::size_t>(size, 1), 0, duration);
  if (!bytes_per_s) return tl::unexpected(bytes_per_s.error());
  return Limit{stream_name("bare libfabric tcp stream", size, count), *bytes_per_s, "bytes/s"};
}

Result<Limit> measure_libfabric_blocks(std::size_t size, std::size_t block, Duration duration) {
  if (size == 0 || block == 0)
    return fail(Code::invalid, "an object has bytes, and so has a block");
  const auto bytes_per_s = stream(std::min(block, size), size, duration);
  if (!bytes_per_s) return tl::unexpected(bytes_per_s.error());
  return Limit{fmt::format("bare libfabric tcp stream, {} B in blocks of {} B", size, block),
               *bytes_per_s, "bytes/s"};
}

}  // namespace squall::bench
