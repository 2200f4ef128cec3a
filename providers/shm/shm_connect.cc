// ShmFabric's life with its peers: from the first dial to the fence.

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include "core/base/ids.h"
#include "core/base/log.h"
#include "providers/shm/shm_fabric.h"

namespace squall::shm {

using fabric::Event;
using fabric::PeerId;
using fabric::RegionId;

namespace {

constexpr Duration connect_timeout = 10s;
constexpr Duration dial_again = 1ms;

// What became ready: the kind in the upper half, a PeerId or a stranger's serial in the lower.
constexpr ReadyTag peer_tag = ReadyTag{0} << 32;
constexpr ReadyTag listener_tag = ReadyTag{1} << 32;
constexpr ReadyTag stranger_tag = ReadyTag{2} << 32;
constexpr ReadyTag kind_of(ReadyTag tag) {
  return tag >> 32 << 32;
}
constexpr std::uint32_t number_of(ReadyTag tag) {
  return static_cast<std::uint32_t>(tag);
}

std::string version_text(std::uint32_t theirs) {
  return fmt::format("it speaks shm wire version {}, this node {}: upgrade {}", theirs,
                     wire_version, theirs > wire_version ? "this node" : "the peer");
}

}  // namespace

ShmFabric::ShmFabric(std::string node_name, Waiter waiter)
    : capabilities_{.maps = true,
                    .lends = true,
                    .writes = false,
                    .can_wait = true,
                    .detects_loss = true,
                    .max_message_bytes = max_message_bytes,
                    .inline_bytes = max_message_bytes},
      node_name_(std::move(node_name)),
      address_(random_address()),
      waiter_(std::move(waiter)) {}

Result<std::unique_ptr<fabric::Fabric>> ShmFabric::open(const std::string& node_name) {
  auto waiter = Waiter::create();
  if (!waiter) return tl::unexpected(waiter.error());
  std::unique_ptr<ShmFabric> opened(new ShmFabric(node_name, std::move(*waiter)));
  auto door = Door::open(opened->address_, opened->waiter_, listener_tag);
  if (!door) return tl::unexpected(door.error());
  opened->door_ = std::move(*door);
  return opened;
}

ShmFabric::~ShmFabric() {
  for (auto& peer : peers_)
    if (peer && peer->state == Peer::State::up)
      peer->post(waiter_, {.kind = PacketKind::bye, .reason = "it was stopped"});
}

Result<PeerId> ShmFabric::connect(std::string_view peer_address, const fabric::Ticket& ticket) {
  if (!is_address(peer_address))
    return fail(Code::invalid, fmt::format("\"{}\" is no shm address", peer_address),
                "is the peer configured for another fabric?");
  if (peer_address == address_) return fail(Code::invalid, "a node does not connect to itself");
  const auto id = static_cast<PeerId>(peers_.size());
  Peer& peer = *peers_.emplace_back(std::make_unique<Peer>(id, peer_address, ticket));
  const Time now = Monotonic::now();
  peer.deadline = now + connect_timeout;
  eager_ = true;
  polls_left_ = 1;
  // Both know both addresses, so both agree on who dials.
  if (address_ < peer_address) {
    dial_peer(peer);
  } else {
    peer.state = Peer::State::awaiting;
    match_strangers();
  }
  return id;
}

void ShmFabric::dial_peer(Peer& peer) {
  const int error = dial(peer.address, peer.socket);
  if (error == EAGAIN || error == EINTR) {
    peer.socket.reset();
    return;
  }
  if (error == ECONNREFUSED)
    return lose(peer,
                "nobody listens at its address: it stopped, or is not on this host and in "
                "this network namespace",
                false);
  if (error != 0)
    return lose(peer, Result<>(fail_errno("cannot connect to it", error)).error().text(), false);
  peer.state = Peer::State::greeted;
  const auto greeted = peer.greet(waiter_, peer_tag + static_cast<std::uint32_t>(peer.id));
  if (!greeted) lose(peer, greeted.error().text(), false);
}

void ShmFabric::match_strangers() {
  if (door_.strangers() == 0) return;
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    Peer* peer = peers_[i].get();
    if (peer == nullptr || peer->state != Peer::State::awaiting) continue;
    if (auto guest = door_.take(waiter_, peer->ticket)) answer(*peer, std::move(*guest));
  }
}

void ShmFabric::answer(Peer& peer, Guest guest) {
  log(Level::debug, "shm: {} is peer {}: {}", node_name_, static_cast<unsigned>(peer.id),
      peer_text(guest.socket));
  peer.socket = std::move(guest.socket);
  // Also to a peer of another version, which learns ours from it.
  const auto greeted = peer.greet(waiter_, peer_tag + static_cast<std::uint32_t>(peer.id));
  if (guest.hello.version != wire_version)
    return lose(peer, version_text(guest.hello.version), false);
  if (!greeted) return lose(peer, greeted.error().text(), false);
  if (auto adopted = peer.adopt(guest.packet); !adopted)
    return lose(peer, adopted.error().text(), true);
  come_up(peer);
}

void ShmFabric::come_up(Peer& peer) {
  peer.state = Peer::State::up;
  turning_.push_back(&peer);
  pending_.push_back({Event{.kind = Event::Kind::connected, .peer = peer.id}, {}});
  for (Import& import : peer.imports)
    for (std::uint32_t wants = std::exchange(import.unasked_wants, 0); wants > 0; --wants)
      request(peer, import);
}

// --- sockets and time

void ShmFabric::service(Time now) {
  last_service_ = now;
  for (const ReadyTag tag : waiter_.look()) {
    if (tag == listener_tag) {
      door_.accept(waiter_, stranger_tag, now);
    } else if (kind_of(tag) == stranger_tag) {
      if (door_.hear(waiter_, number_of(tag))) match_strangers();
    } else if (Peer* peer = find(static_cast<PeerId>(number_of(tag))); peer && peer->socket) {
      serve_peer(*peer);
    }
  }
  keep_time(now);
}

void ShmFabric::serve_peer(Peer& peer) {
  peer.post_rest(waiter_);
  Packet packet;
  // Bounded, so that one talkative peer does not hold up the turn.
  for (int i = 0; i < 64 && peer.socket; ++i) {
    const Received received = receive_packet(peer.socket, packet);
    if (received == Received::nothing) return;
    if (received == Received::closed)
      return drain(peer, "it hung up: its process died or closed the fabric");
    if (received == Received::broken)
      return lose(peer, "it broke the protocol: a packet that is too long", true);
    progressed_ = true;
    if (peer.state == Peer::State::greeted) {
      const auto hello = parse_hello(packet.view());
      const auto refused = hello ? std::nullopt : parse_control(packet.view());
      if (refused && refused->kind == PacketKind::bye)
        return lose(peer, fmt::format("it refused the connection: {}", refused->reason), false);
      if (!hello || (hello->version == wire_version && !same(hello->ticket, peer.ticket)))
        return lose(peer, "it broke the protocol: no hello with our ticket", true);
      if (hello->version != wire_version) return lose(peer, version_text(hello->version), false);
      if (auto adopted = peer.adopt(packet); !adopted)
        return lose(peer, adopted.error().text(), true);
      come_up(peer);
    } else {
      const auto control = parse_control(packet.view());
      if (!control) return lose(peer, "it broke the protocol: a malformed packet", true);
      handle(peer, *control, packet);
    }
  }
}

void ShmFabric::keep_time(Time now) {
  door_.expire(waiter_, now);
  const bool awaits = std::exchange(eager_, door_.strangers() > 0);  // only who was, may wait
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    Peer* peer = peers_[i].get();
    if (peer == nullptr || peer->state > Peer::State::up) continue;
    if (peer->state == Peer::State::up) {
      eager_ = eager_ || (awaits && peer->waits_for_memory());
      continue;
    }
    eager_ = true;
    if (now >= peer->deadline)
      lose(*peer,
           fmt::format("it never came: no connection within {} s",
                       std::chrono::duration_cast<std::chrono::seconds>(connect_timeout).count()),
           false);
    else if (peer->state == Peer::State::dialling)
      dial_peer(*peer);
  }
}

Time ShmFabric::deadline() const {
  Time first = door_.deadline();
  for (const auto& peer : peers_) {
    if (peer == nullptr || peer->state >= Peer::State::up) continue;
    first = std::min(first, peer->state == Peer::State::dialling ? Monotonic::now() + dial_again
                                                                 : peer->deadline);
  }
  return first;
}

void ShmFabric::handle(Peer& peer, const Control& control, Packet& packet) {
  switch (control.kind) {
    case PacketKind::want:
      return handle_want(peer, control);
    case PacketKind::grant:
      return handle_grant(peer, control, packet);
    case PacketKind::attached:
      return handle_attached(peer, control.region);
    case PacketKind::release:
      std::erase_if(peer.wants, [&](const Control& want) { return want.region == control.region; });
      return peer.end_grant(control.region);
    case PacketKind::bye:
      return drain(peer, fmt::format("it cut the link: {}", control.reason));
    case PacketKind::hello:
      break;  // parse_control does not return it
  }
}

// --- the end

void ShmFabric::drain(Peer& peer, std::string reason) {
  if (peer.state != Peer::State::up) {
    if (peer.state == Peer::State::greeted)
      reason = "it closed the connection: it does not expect this node, or is too busy";
    return lose(peer, std::move(reason), false);
  }
  peer.hang_up(waiter_);
  peer.state = Peer::State::draining;
  for (MessageReceiver& receiver : peer.receivers) receiver.nothing_new();
  peer.drain_reason = std::move(reason);
  ++draining_;
}

void ShmFabric::leave_turn(Peer& peer) {
  if (peer.state == Peer::State::draining) --draining_;
  std::erase(turning_, &peer);
}

void ShmFabric::lose(Peer& peer, std::string reason, bool say_bye) {
  if (peer.state >= Peer::State::lost) return;
  log(Level::info, "shm: {} lost peer {}: {}", node_name_, static_cast<unsigned>(peer.id), reason);
  if (say_bye) peer.post(waiter_, {.kind = PacketKind::bye, .reason = reason});
  leave_turn(peer);
  peer.hang_up(waiter_);
  peer.state = Peer::State::lost;
  ++losses_;
  pending_.push_back(
      {Event{.kind = Event::Kind::lost, .ok = false, .peer = peer.id}, std::move(reason)});
}

void ShmFabric::disconnect(PeerId id) {
  Peer* peer = find(id);
  if (peer == nullptr || peer->state == Peer::State::closed) return;
  if (peer->state == Peer::State::up)
    peer->post(waiter_, {.kind = PacketKind::bye, .reason = "it disconnected"});
  if (peer->state != Peer::State::lost) ++losses_;
  leave_turn(*peer);
  peer->close(waiter_);
  peer->state = Peer::State::closed;
  std::erase_if(pending_, [&](const Pending& p) { return p.event.peer == id; });
}

void ShmFabric::forget(PeerId id) {
  if (find(id) == nullptr) return;
  disconnect(id);
  peers_[static_cast<std::size_t>(id)].reset();
}

}  // namespace squall::shm
