#include "providers/ofi/ofi_msg.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <rdma/fi_errno.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "core/base/assert.h"
#include "core/base/log.h"
#include "providers/ofi/ofi_limits.h"
#include "providers/ofi/ofi_survey.h"
#include "providers/ofi/unpaced.h"

namespace squall::ofi {
namespace {

// Reading the event queue costs system calls; nothing in it is urgent while we are awake.
constexpr Duration event_interval = 1ms;
constexpr std::size_t most_writes = 64;

std::size_t number(Lane lane) {
  return static_cast<std::size_t>(lane);
}

}  // namespace

Result<std::unique_ptr<Transport>> MsgTransport::open(std::string_view provider,
                                                      const fabric::Options& options,
                                                      bool as_verbs) {
  if (auto fine = check_local_address(options.local_address, Host::here()); !fine)
    return tl::unexpected(fine.error());
  auto domain = Domain::open(provider, FI_EP_MSG, options.local_address);
  if (!domain) return tl::unexpected(domain.error());
  const auto most = largest_write(*(*domain)->info(), write_bytes);
  if (!most) return tl::unexpected(most.error());
  std::unique_ptr<MsgTransport> made(new MsgTransport);
  made->domain_ = std::move(*domain);
  auto queue = Queue::open(*made->domain_, true, !as_verbs);
  if (!queue) return tl::unexpected(queue.error());
  made->queue_ = std::move(*queue);
  auto listener = Listener::open(*made->domain_, *made->queue_);
  if (!listener) return tl::unexpected(listener.error());
  made->listener_ = std::move(*listener);

  LaneShape& urgent = made->shapes_[number(Lane::urgent)];
  LaneShape& bulk = made->shapes_[number(Lane::bulk)];
  const std::size_t parts = made->domain_->info()->tx_attr->iov_limit;
  urgent.limits.references = std::min(parts == 0 ? 0 : parts - 1, Wire::max_references);
  if (as_verbs || made->domain_->registers() || urgent.limits.references == 0) {
    // Sources are not registered: everything goes through the slots, which are.
    urgent.limits = {max_wire_bytes, 0, 0};
    urgent.window = 8;
    urgent.landings = 8;
    urgent.credits = true;
  }
  bulk = urgent;
  bulk.window = 2;
  if (bulk.limits.references != 0) bulk.limits.referred_bytes = std::size_t{64} << 10;
  if (made->domain_->writes()) {
    const std::size_t least = urgent.limits.references == 0 ? least_device_write : least_tcp_write;
    bulk.write_limits = {least, *most};
    bulk.write_window_bytes = 4 * write_bytes;
    // What comes behind one waits for it.
    urgent.write_limits = {least, std::min(*most, write_bytes / 2)};
    urgent.write_window_bytes = 2 * write_bytes;
    bulk.write_window = urgent.write_window = most_writes;
  }
  const std::uint64_t each = urgent.buffer_bytes() + bulk.buffer_bytes();
  if (auto fits = made->domain_->plan(options.peers, {options.peers * each, options.object_bytes});
      !fits)
    return tl::unexpected(fits.error());
  return made;
}

MsgTransport::~MsgTransport() {
  std::vector<TokenIndex> tokens;
  for (auto& [peer, each] : links_)
    for (auto& endpoint : each.lanes)
      if (endpoint) endpoint->close(tokens);
}

MsgTransport::Link* MsgTransport::link(PeerId peer) {
  const auto found = links_.find(peer);
  return found == links_.end() ? nullptr : &found->second;
}

Result<> MsgTransport::connect(PeerId peer, std::string_view address, const Ticket& ticket,
                               Time now) {
  const auto parsed = parse_address(address);
  if (!parsed) return tl::unexpected(parsed.error());
  if (address == listener_->address())
    return fail(Code::invalid, fmt::format("{} is this node itself", address));
  Link& made = links_[peer];
  made.ticket = ticket;
  made.until = now + connect_timeout;
  made.dials = listener_->address() < address;
  if (made.dials) {
    if (auto dialled = dial(peer, made, *parsed); !dialled) die(peer, dialled.error().text());
  } else {
    for (const Lane lane : lanes)
      if (Info held = listener_->take(ticket, lane)) accept(peer, lane, std::move(held));
  }
  return {};
}

Result<> MsgTransport::dial(PeerId peer, Link& made, const sockaddr_storage& address) {
  for (const Lane lane : lanes) {
    Info info(libfabric::dupinfo(domain_->info()));
    // verbs resolves the route when the endpoint is made, not when it connects.
    std::free(info->dest_addr);
    info->dest_addrlen = address.ss_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
    info->dest_addr = std::malloc(info->dest_addrlen);
    SQUALL_ASSERT(info->dest_addr != nullptr, "memory for an address");
    std::memcpy(info->dest_addr, &address, info->dest_addrlen);
    auto endpoint = Endpoint::open(*domain_, *queue_, info.get(), peer, lane, shape(lane));
    if (!endpoint) return tl::unexpected(endpoint.error());
    Endpoint& opened = **endpoint;
    made.lanes[number(lane)] = std::move(*endpoint);
    Greeting greeting;
    greeting.lane = static_cast<std::uint8_t>(lane);
    greeting.ticket = made.ticket;
    auto dialled = opened.dial(&address, std::as_bytes(std::span(&greeting, 1)));
    if (!dialled) return dialled;
  }
  return {};
}

void MsgTransport::accept(PeerId peer, Lane lane, Info request) {
  Link& expecting = *link(peer);
  auto endpoint = Endpoint::open(*domain_, *queue_, request.get(), peer, lane, shape(lane));
  if (!endpoint) {
    listener_->reject(std::move(request));
    return die(peer, endpoint.error().text());
  }
  expecting.lanes[number(lane)] = std::move(*endpoint);
  if (auto accepted = expecting.lanes[number(lane)]->accept(); !accepted)
    die(peer, accepted.error().text());
}

void MsgTransport::disconnect(PeerId peer, std::vector<TokenIndex>& tokens) {
  Link* closing = link(peer);
  if (closing == nullptr) return;
  for (auto& endpoint : closing->lanes) {
    if (!endpoint) continue;
    std::erase(blocked_, endpoint.get());
    endpoint->close(tokens);
    buried_.push_back({std::move(endpoint), Monotonic::now() + burial});
  }
  links_.erase(peer);
}

void MsgTransport::die(PeerId peer, std::string why) {
  Link* dead = link(peer);
  if (dead == nullptr || dead->reported) return;
  dead->reported = true;
  dying_.push_back({peer, std::move(why)});
}

/// One that can carry something now, or nullptr.
MsgTransport::Link* MsgTransport::open_link(PeerId peer) {
  Link* found = link(peer);
  return found == nullptr || !found->up || found->reported ? nullptr : found;
}

Wire* MsgTransport::begin(PeerId peer, Lane lane) {
  Link* carrier = open_link(peer);
  return carrier == nullptr ? nullptr : carrier->lanes[number(lane)]->begin();
}

Wire* MsgTransport::begin_write(PeerId peer, Lane lane) {
  Link* carrier = open_link(peer);
  return carrier == nullptr ? nullptr : carrier->lanes[number(lane)]->begin_write();
}

WireHeader MsgTransport::header(PeerId peer, Lane lane) {
  return link(peer)->lanes[number(lane)]->header();
}

void MsgTransport::send(PeerId peer, Lane lane, Wire* wire) {
  Endpoint& endpoint = *link(peer)->lanes[number(lane)];
  auto* slot = static_cast<Slot*>(wire);
  if (auto sent = endpoint.send(slot); !sent) return die(peer, sent.error().text());
  queue_->sent();
  if (endpoint.blocked() &&
      std::find(blocked_.begin(), blocked_.end(), &endpoint) == blocked_.end())
    blocked_.push_back(&endpoint);
}

bool MsgTransport::poll(Sink& sink, std::size_t room, Time now) {
  for (std::size_t i = 0; i < blocked_.size();) {
    auto left = blocked_[i]->retry();
    if (!left) die(blocked_[i]->peer(), left.error().text());
    if (left && *left) {
      ++i;
    } else {
      blocked_[i] = blocked_.back();
      blocked_.pop_back();
    }
  }
  std::array<Completion, most_completions> completions;
  const std::size_t asked = std::min(room, completions.size());
  const std::size_t count = queue_->read(std::span(completions).first(asked));
  for (std::size_t i = 0; i < count; ++i) complete(completions[i], sink);

  bool progress = count != 0;
  if (now >= next_events_ || queue_->armed()) {
    next_events_ = now + event_interval;
    // The queue names a socket when it has been read after the connection's event.
    if (std::exchange(connected_, false))
      for (const pollfd& socket : queue_->sockets()) unpace_within_host(socket.fd);
    ConnectionEvent event;
    while (queue_->read_event(event)) {
      handle(event, sink, now);
      progress = true;
    }
    listener_->expire(now);
    for (auto& [peer, waiting] : links_)
      if (!waiting.up && waiting.until <= now)
        die(peer, waiting.dials ? "the peer did not answer in time" : "the peer never came");
    if (!buried_.empty() && count == 0 && held_.empty())
      std::erase_if(buried_, [&](const Buried& buried) { return buried.until <= now; });
  }
  // What a peer sent before it went is in the completion queue, ahead of its death.
  if (count < asked && !dying_.empty()) {
    const auto dying = std::exchange(dying_, {});
    for (const Dying& dead : dying)
      if (link(dead.peer) != nullptr) sink.on_down(dead.peer, dead.why);
    progress = true;
  }
  return progress;
}

void MsgTransport::complete(const Completion& completion, Sink& sink) {
  if (completion.op == nullptr) return;
  auto& endpoint = *static_cast<Endpoint*>(completion.op->owner);
  if (endpoint.closed()) return;
  const PeerId peer = endpoint.peer();
  if (completion.error != 0) {
    // A closed connection cancels what was posted on it; the event says why it closed.
    return die(peer, completion.error == FI_ECANCELED
                         ? "the peer closed the connection"
                         : fi_text("the connection failed", completion.error));
  }
  if (!completion.op->is_receive) {
    auto* slot = static_cast<Slot*>(completion.op);
    sink.on_sent(peer, endpoint.lane(), *slot);
    if (!endpoint.closed()) endpoint.sent(slot);
    return;
  }
  auto& landing = *static_cast<Landing*>(completion.op);
  const Bytes wire{landing.data, std::min(completion.bytes, max_wire_bytes)};
  const auto header = read_header(wire);
  if (!header) return die(peer, header.error().what);
  endpoint.received(*header);
  if (sink.on_wire(peer, endpoint.lane(), wire)) {
    held_.push_back(&landing);
  } else if (!endpoint.closed()) {
    if (auto posted = endpoint.repost(landing); !posted) die(peer, posted.error().text());
  }
}

void MsgTransport::release() {
  for (Landing* landing : held_) {
    auto& endpoint = *static_cast<Endpoint*>(landing->owner);
    if (endpoint.closed()) continue;
    if (auto posted = endpoint.repost(*landing); !posted)
      die(endpoint.peer(), posted.error().text());
  }
  held_.clear();
}

Endpoint* MsgTransport::find(fid_t fid) {
  for (auto& [peer, each] : links_)
    for (auto& endpoint : each.lanes)
      if (endpoint && endpoint->fid() == fid) return endpoint.get();
  return nullptr;
}

void MsgTransport::handle(ConnectionEvent& event, Sink& sink, Time now) {
  if (event.kind == ConnectionEvent::Kind::request) return request(event, now);
  Endpoint* endpoint = find(event.fid);
  if (endpoint == nullptr) return;
  const PeerId peer = endpoint->peer();
  Link& of = *link(peer);
  switch (event.kind) {
    case ConnectionEvent::Kind::connected:
      endpoint->set_up();
      connected_ = true;
      if (of.reported || !of.lanes[0] || !of.lanes[0]->up() || !of.lanes[1] || !of.lanes[1]->up())
        return;
      of.up = true;
      of.until = never;
      return sink.on_up(peer);
    case ConnectionEvent::Kind::failed:
      return die(peer, event.error == FI_ECONNREFUSED
                           ? "the peer refused the connection: it is gone, or does not expect this "
                             "ticket"
                           : fi_text("the connection failed", event.error));
    case ConnectionEvent::Kind::shutdown:
    case ConnectionEvent::Kind::request:
      return die(peer, "the peer closed the connection");
  }
}

void MsgTransport::request(ConnectionEvent& event, Time now) {
  const auto greeting = read_greeting(event.data);
  if (!greeting) {
    log(Level::info, "a connection that does not speak wire version {} was refused", wire_version);
    return listener_->reject(std::move(event.info));
  }
  const auto lane = static_cast<Lane>(greeting->lane);
  for (auto& [peer, waiting] : links_) {
    if (waiting.dials || waiting.up || waiting.reported || waiting.ticket != greeting->ticket ||
        waiting.lanes[number(lane)])
      continue;
    return accept(peer, lane, std::move(event.info));
  }
  listener_->hold(std::move(event.info), *greeting, now);
}

Time MsgTransport::deadline() const {
  Time soonest = listener_->deadline();
  for (const auto& [peer, waiting] : links_)
    if (!waiting.reported) soonest = std::min(soonest, waiting.until);
  return dying_.empty() ? soonest : Time{};
}

}  // namespace squall::ofi
