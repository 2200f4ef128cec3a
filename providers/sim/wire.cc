#include "providers/sim/wire.h"

#include <algorithm>
#include <iterator>

#include "core/base/assert.h"
#include "core/base/ids.h"
#include "providers/sim/endpoint.h"

namespace squall::sim {
namespace {

constexpr std::string_view name(Packet::Kind kind) {
  switch (kind) {
    case Packet::Kind::hello:
      return "hello";
    case Packet::Kind::hangup:
      return "hangup";
    case Packet::Kind::import:
      return "import";
    case Packet::Kind::push:
      return "push";
    case Packet::Kind::message:
      return "message";
    case Packet::Kind::left:
      return "left";
    case Packet::Kind::release:
      return "release";
  }
  return "?";
}

/// Rounded up: no byte arrives before it can.
Duration time_on_link(std::uint64_t bytes, std::uint64_t bytes_per_s) {
  if (bytes_per_s == 0) return Duration{0};
  const auto ns =
      (static_cast<unsigned __int128>(bytes) * 1'000'000'000u + bytes_per_s - 1) / bytes_per_s;
  return Duration{static_cast<Duration::rep>(ns)};
}

}  // namespace

Wire::Wire(const Options& options)
    : options_(options), random_(options.seed), trace_(options.keep_trace) {
  SQUALL_ASSERT(options.inline_bytes >= 256, "the fabric promises 256 inline bytes");
  SQUALL_ASSERT(options.lane_bytes >= options.max_message_bytes, "a lane must hold one message");
  SQUALL_ASSERT(options.slice_bytes > 0, "a slice has bytes");
  SQUALL_ASSERT(options.latency >= Duration{0} && options.jitter >= Duration{0},
                "nothing arrives before it left");
}

// --- time

void Wire::at(Time time, std::function<void()> action) {
  agenda_.push_back({std::max(time, now_), next_order_++, std::move(action)});
  std::push_heap(agenda_.begin(), agenda_.end(), Later{});
}

bool Wire::step() {
  if (agenda_.empty()) return false;
  std::pop_heap(agenda_.begin(), agenda_.end(), Later{});
  Scheduled next = std::move(agenda_.back());
  agenda_.pop_back();
  now_ = std::max(now_, next.at);
  next.action();
  return true;
}

void Wire::run_until(Time time) {
  while (!agenda_.empty() && next_event() <= time) step();
  now_ = std::max(now_, time);
}

// --- endpoints

Host Wire::host_of(std::string_view name) {
  if (const auto found = host_by_name_.find(name); found != host_by_name_.end())
    return found->second;
  const auto host = static_cast<Host>(hosts_.size());
  hosts_.push_back({.name = std::string(name)});
  host_by_name_.emplace(name, host);
  return host;
}

Slot Wire::slot_of(std::string_view address) {
  if (const auto found = slot_by_address_.find(address); found != slot_by_address_.end())
    return found->second;
  const auto slot = static_cast<Slot>(slots_.size());
  const Host host = host_of(address.substr(0, address.find('#')));
  slots_.push_back({.address = std::string(address), .host = host});
  slot_by_address_.emplace(address, slot);
  return slot;
}

Endpoint* Wire::running(Host host) const {
  if (hosts_[host].runs == 0) return nullptr;
  Endpoint* endpoint = slots_[hosts_[host].latest].endpoint;
  return endpoint != nullptr && endpoint->alive() ? endpoint : nullptr;
}

Endpoint* Wire::running(std::string_view name) const {
  const auto found = host_by_name_.find(name);
  return found != host_by_name_.end() ? running(found->second) : nullptr;
}

Slot Wire::next_run(std::string_view name) {
  SQUALL_ASSERT(!name.empty() && name.find('#') == name.npos, "a node's name has no '#'");
  SQUALL_ASSERT(running(name) == nullptr, "one endpoint at a time for each name");
  const Host host = host_of(name);
  const std::uint32_t run = ++hosts_[host].runs;
  const Slot slot = slot_of(run == 1 ? std::string(name) : fmt::format("{}#{}", name, run));
  hosts_[host].latest = slot;
  return slot;
}

void Wire::opened(Slot slot, Endpoint* endpoint) {
  slots_[slot].endpoint = endpoint;
  slots_[slot].was_open = true;
  trace_.add(now_, "open {}", slots_[slot].address);
  for (Packet& packet : std::exchange(slots_[slot].early, {})) endpoint->arrive(std::move(packet));
}

void Wire::closed(Slot slot) {
  slots_[slot].endpoint = nullptr;
}

bool Wire::empty() const {
  return std::all_of(slots_.begin(), slots_.end(),
                     [](const SlotState& slot) { return slot.endpoint == nullptr; });
}

// --- links

void Wire::send(Packet packet) {
  const LinkKey key{slots_[packet.from].host, slots_[packet.to].host};
  trace_.add(now_, "queue {}>{} {} {}.{} {} {}+{} {:016x}", address(packet.from),
             address(packet.to), name(packet.kind), static_cast<std::uint32_t>(packet.from_peer),
             index(packet.lane), raw(packet.region), packet.offset, packet.bytes,
             packet.payload ? digest(*packet.payload) : 0);
  const std::uint64_t bytes = options_.header_bytes + packet.payload_bytes();
  links_[key].queues[index(packet.lane)].push_back({std::move(packet), bytes});
  start_sending(key);
}

void Wire::start_sending(LinkKey key) {
  Link& link = links_[key];
  while (!link.busy && !link.cut) {
    const std::size_t lane = link.queues[0].empty() ? 1 : 0;
    auto& queue = link.queues[lane];
    if (queue.empty()) return;
    Queued next = std::move(queue.front());
    queue.pop_front();
    const std::uint64_t bytes = lane == 1
                                    ? std::min<std::uint64_t>(next.left_bytes, options_.slice_bytes)
                                    : next.left_bytes;
    const Duration needs = time_on_link(bytes, options_.bandwidth_bytes_per_s);
    if (needs == Duration{0}) {
      leave(link, std::move(next.packet));
      continue;
    }
    link.busy = true;
    link.sending = std::move(next);
    at(now_ + needs, [this, key, bytes] { slice_sent(key, bytes); });
  }
}

void Wire::slice_sent(LinkKey key, std::uint64_t bytes) {
  Link& link = links_[key];
  link.busy = false;
  if (link.sending) {  // otherwise it was taken back meanwhile
    Queued sent = std::move(*link.sending);
    link.sending.reset();
    const auto lane = index(sent.packet.lane);
    if (link.cut) {  // to be sent again
      sent.left_bytes = options_.header_bytes + sent.packet.payload_bytes();
      link.queues[lane].push_front(std::move(sent));
    } else if ((sent.left_bytes -= bytes) > 0) {
      link.queues[lane].push_front(std::move(sent));
    } else {
      leave(link, std::move(sent.packet));
    }
  }
  start_sending(key);
}

void Wire::leave(Link& link, Packet packet) {
  if (packet.reference != 0 && endpoint(packet.from) != nullptr)
    endpoint(packet.from)
        ->arrive({.kind = Packet::Kind::left,
                  .from = packet.from,
                  .to = packet.from,
                  .reference = packet.reference});
  Time arrival = now_ + options_.latency + link.extra + packet.extra_delay;
  if (options_.jitter > Duration{0})
    arrival += Duration{static_cast<Duration::rep>(
        random_.below(static_cast<std::uint64_t>(options_.jitter.count()) + 1))};
  // The first and the last packet of a connection hold for both lanes.
  const bool fences = packet.kind == Packet::Kind::hello || packet.kind == Packet::Kind::hangup;
  auto& last = link.last_arrivals[{packet.from, packet.from_peer}];
  for (std::size_t lane = 0; lane < last.size(); ++lane)
    if (fences || lane == index(packet.lane)) arrival = std::max(arrival, last[lane]);
  for (std::size_t lane = 0; lane < last.size(); ++lane)
    if (fences || lane == index(packet.lane)) last[lane] = arrival;
  at(arrival, [this, packet = std::move(packet)] { arrive(packet); });
}

void Wire::arrive(Packet packet) {
  SlotState& slot = slots_[packet.to];
  trace_.add(now_, "arrive {}>{} {} {}.{} {} {}+{}", address(packet.from), slot.address,
             name(packet.kind), static_cast<std::uint32_t>(packet.from_peer), index(packet.lane),
             raw(packet.region), packet.offset, packet.bytes);
  if (slot.endpoint != nullptr)
    slot.endpoint->arrive(std::move(packet));
  else if (!slot.was_open)
    slot.early.push_back(std::move(packet));
}

std::vector<std::uint64_t> Wire::take_back(Slot from, std::optional<fabric::PeerId> peer) {
  std::vector<std::uint64_t> gone;
  const auto matches = [&](const Queued& queued) {
    // Never a hang-up: it is said once, and whoever misses it waits for ever.
    const bool taken = queued.packet.from == from && (!peer || queued.packet.from_peer == *peer) &&
                       queued.packet.kind != Packet::Kind::hangup;
    if (taken && queued.packet.reference != 0) gone.push_back(queued.packet.reference);
    return taken;
  };
  for (auto& [key, link] : links_) {
    if (key.first != slots_[from].host) continue;
    if (link.sending && matches(*link.sending)) link.sending.reset();
    for (auto& queue : link.queues) {
      // Not remove_if: it does not say in which order it asks.
      std::deque<Queued> kept;
      for (Queued& queued : queue)
        if (!matches(queued)) kept.push_back(std::move(queued));
      queue = std::move(kept);
    }
  }
  return gone;
}

void Wire::set_cut(std::string_view from, std::string_view to, bool cut) {
  const LinkKey key{host_of(from), host_of(to)};
  trace_.add(now_, "{} {}>{}", cut ? "cut" : "heal", from, to);
  links_[key].cut = cut;
  start_sending(key);
}

void Wire::set_delay(std::string_view from, std::string_view to, Duration extra) {
  SQUALL_ASSERT(extra >= Duration{0}, "a delay is not negative");
  trace_.add(now_, "delay {}>{} {}", from, to, extra.count());
  links_[{host_of(from), host_of(to)}].extra = extra;
}

}  // namespace squall::sim
