#include "providers/sim/endpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "core/base/assert.h"
#include "core/base/ids.h"

namespace squall::sim {

using fabric::Event;
using fabric::Lane;
using fabric::PeerId;
using fabric::RegionId;
using fabric::Token;

Endpoint::Endpoint(Wire& wire, Slot slot) : wire_(wire), slot_(slot) {
  const Options& options = wire.options();
  capabilities_.can_wait = true;
  capabilities_.detects_loss = options.detects_loss;
  capabilities_.max_message_bytes = options.max_message_bytes;
  capabilities_.inline_bytes = options.inline_bytes;
  wire_.opened(slot_, this);
}

Endpoint::~Endpoint() {
  if (alive_)
    for (std::size_t peer = 0; peer < peers_.size(); ++peer)
      if (open(peers_[peer])) hang_up(PeerId(peer), "hung up");
  for (std::size_t peer = 0; peer < peers_.size(); ++peer) free_replicas(PeerId(peer));
  wire_.closed(slot_);
}

Endpoint::Peer& Endpoint::known(PeerId peer) {
  SQUALL_ASSERT(index(peer) < peers_.size(), "a PeerId comes from connect of the same fabric");
  return peers_[index(peer)];
}

// --- peers

Result<PeerId> Endpoint::connect(std::string_view peer_address, const fabric::Ticket& ticket) {
  if (!alive_) return stopped();
  if (peer_address.empty() || peer_address.size() > 512 || peer_address[0] == '#')
    return fail(Code::invalid, "not the address of a simulated node");
  const Slot remote = wire_.slot_of(peer_address);
  if (remote == slot_) return fail(Code::invalid, "a node does not connect to itself");
  const auto peer = PeerId(peers_.size());
  peers_.push_back({.slot = remote, .ticket = ticket});
  wire_.send({.kind = Packet::Kind::hello,
              .from = slot_,
              .to = remote,
              .from_peer = peer,
              .ticket = ticket});
  const Time now = wire_.now();
  std::erase_if(hellos_, [&](const Hello& hello) {
    return hello.arrived + wire_.options().connect_timeout <= now;
  });
  const auto early = std::find_if(hellos_.begin(), hellos_.end(), [&](const Hello& hello) {
    return hello.packet.from == remote && hello.packet.ticket == ticket;
  });
  if (early != hellos_.end()) {
    const Packet hello = early->packet;
    hellos_.erase(early);
    greet(peer, hello);
  }
  wire_.at(now + wire_.options().connect_timeout, [&wire = wire_, slot = slot_, peer] {
    Endpoint* self = wire.endpoint(slot);
    if (self != nullptr && self->alive_ && self->peers_[index(peer)].state == State::connecting)
      self->lose(peer, "never came", true);
  });
  return peer;
}

void Endpoint::greet(PeerId id, const Packet& hello) {
  Peer& peer = peers_[index(id)];
  peer.remote = hello.from_peer;
  peer.state = State::connected;
  by_remote_[{hello.from, hello.from_peer}] = id;
  emit({.kind = Event::Kind::connected, .peer = id});
  for (Packet& held : std::exchange(peer.held, {})) wire_.send(std::move(held));
}

void Endpoint::disconnect(PeerId id) {
  Peer& peer = known(id);
  if (!alive_ || peer.state == State::closed || peer.state == State::forgotten) return;
  wire_.trace().add(wire_.now(), "disconnect {} {}", wire_.address(slot_),
                    wire_.address(peer.slot));
  const bool was_open = open(peer);
  std::erase_if(events_, [&](const Waiting& waiting) {
    return waiting.event.peer == id && waiting.event.kind != Event::Kind::completed;
  });
  cut_off(id, State::closed);
  if (was_open && wire_.options().detects_loss) hang_up(id, "hung up");
}

void Endpoint::forget(PeerId id) {
  Peer& peer = known(id);
  SQUALL_ASSERT(peer.state == State::closed || peer.state == State::forgotten || !alive_,
                "forget comes after disconnect");
  free_replicas(id);
  peer.state = State::forgotten;
}

void Endpoint::hang_up(PeerId id, std::string why, Duration delay) {
  // In the bulk lane, since what is queued in either lane leaves before it.
  wire_.send({.kind = Packet::Kind::hangup,
              .lane = Lane::bulk,
              .from = slot_,
              .to = peers_[index(id)].slot,
              .from_peer = id,
              .extra_delay = delay,
              .text = std::move(why)});
}

/// Ends a connection on this side: what was queued for the peer comes back.
void Endpoint::cut_off(PeerId id, State next) {
  Peer& peer = peers_[index(id)];
  peer.state = next;
  peer.held.clear();
  if (peer.remote) by_remote_.erase({peer.slot, *peer.remote});
  for (auto& [region, exposed] : exposed_)
    std::erase_if(exposed.importers, [&](const Importer& importer) { return importer.peer == id; });
  std::erase_if(imports_to_serve_, [&](const auto& wanted) { return wanted.second.peer == id; });
  std::vector<std::uint64_t> gone;
  for (Staged& staged : staged_) {
    const auto erased =
        std::erase_if(staged.targets, [&](const auto& target) { return target.first == id; });
    if (erased > 0 && staged.packet.reference != 0) gone.push_back(staged.packet.reference);
  }
  std::erase_if(staged_, [](const Staged& staged) { return staged.targets.empty(); });
  for (const std::uint64_t reference : wire_.take_back(slot_, id)) gone.push_back(reference);
  for (const std::uint64_t reference : gone) settle(reference, false);
}

void Endpoint::lose(PeerId id, std::string why, bool tell) {
  const Peer& peer = peers_[index(id)];
  if (!open(peer)) return;
  wire_.trace().add(wire_.now(), "lost {} {}: {}", wire_.address(slot_), wire_.address(peer.slot),
                    why);
  cut_off(id, State::lost);
  if (tell) hang_up(id, why);
  emit({.kind = Event::Kind::lost, .peer = id}, {}, std::move(why));
}

void Endpoint::crash() {
  if (!alive_) return;
  wire_.trace().add(wire_.now(), "crash {}", wire_.address(slot_));
  wire_.take_back(slot_, std::nullopt);
  if (wire_.options().detects_loss)
    for (std::size_t peer = 0; peer < peers_.size(); ++peer)
      if (open(peers_[peer])) hang_up(PeerId(peer), "crashed", wire_.options().loss_detection);
  alive_ = false;
  staged_.clear();
  inbox_.clear();
  events_.clear();
}

// --- messages

Result<Endpoint::Peer*> Endpoint::usable(PeerId id) {
  if (!alive_) return stopped();
  Peer& peer = known(id);
  if (!open(peer))
    return fail(Code::lost, fmt::format("the peer {} is lost", wire_.address(peer.slot)));
  return &peer;
}

Result<> Endpoint::send(PeerId id, Lane lane, Bytes message, Token token) {
  return stage_message(id, lane, message, token, false);
}

Result<> Endpoint::send_quietly(PeerId id, Lane lane, Bytes message) {
  return stage_message(id, lane, message, fabric::no_token, true);
}

Result<> Endpoint::stage_message(PeerId id, Lane lane, Bytes message, Token token, bool quiet) {
  const auto peer = usable(id);
  if (!peer) return tl::unexpected(peer.error());
  const Options& options = wire_.options();
  if (message.size() > options.max_message_bytes)
    return fail(Code::too_large, fmt::format("a message of {} bytes, the limit is {}",
                                             message.size(), options.max_message_bytes));
  std::size_t& unlanded = (*peer)->unlanded_bytes[index(lane)];
  if ((*peer)->state == State::connecting || unlanded + message.size() > options.lane_bytes)
    return fail(Code::would_block, "the lane is full, or not connected yet", "poll and try again");
  unlanded += message.size();
  Staged staged;
  staged.packet = {.kind = Packet::Kind::message,
                   .lane = lane,
                   .from = slot_,
                   .bytes = message.size(),
                   .reference = remember(token, id, lane, 1),
                   .quiet = quiet};
  if (message.size() <= options.inline_bytes)
    staged.packet.payload = copy_of(message.data(), message.size());
  else
    staged.source = message.data();
  staged.targets.emplace_back(id, message.size());
  staged_.push_back(std::move(staged));
  return {};
}

void Endpoint::credit(PeerId id, Lane lane, std::size_t bytes) {
  std::size_t& unlanded = peers_[index(id)].unlanded_bytes[index(lane)];
  SQUALL_ASSERT(bytes <= unlanded, "a message lands once");
  unlanded -= bytes;
}

// --- tokens

/// A record of a token that comes back when so many packets have left; 0 if nobody asked.
std::uint64_t Endpoint::remember(Token token, PeerId peer, Lane lane, std::size_t packets) {
  if (token == fabric::no_token) return 0;
  if (packets == 0) {
    emit({.kind = Event::Kind::completed, .lane = lane, .peer = peer, .token = token});
    return 0;
  }
  tokens_[next_reference_] = {token, peer, lane, packets, true};
  return next_reference_++;
}

void Endpoint::settle(std::uint64_t reference, bool ok) {
  const auto found = tokens_.find(reference);
  SQUALL_ASSERT(found != tokens_.end(), "a packet leaves or is taken back once");
  TokenState& state = found->second;
  state.ok = state.ok && ok;
  if (--state.packets > 0) return;
  const TokenState done = state;
  tokens_.erase(found);
  emit({.kind = Event::Kind::completed,
        .ok = done.ok,
        .lane = done.lane,
        .peer = done.peer,
        .token = done.token});
}

// --- turning

void Endpoint::flush() {
  for (Staged& staged : std::exchange(staged_, {})) {
    if (staged.source != nullptr)
      staged.packet.payload = copy_of(staged.source, staged.packet.bytes);
    for (const auto& [peer, bytes] : staged.targets) {
      Packet packet = staged.packet;
      packet.from_peer = peer;
      packet.to = peers_[index(peer)].slot;
      if (bytes < packet.bytes) {
        packet.payload = copy_of(packet.payload->data(), bytes);
        packet.bytes = bytes;
      }
      wire_.send(std::move(packet));
    }
  }
}

void Endpoint::arrive(Packet packet) {
  if (!alive_) return;
  Time due = wire_.now() + lag_;
  if (!inbox_.empty()) due = std::max(due, inbox_.back().due);
  const bool quiet = packet.quiet;
  inbox_.push_back({std::move(packet), due});
  if (quiet) return;
  if (due == wire_.now())
    ring();
  else
    wire_.at(due, [&wire = wire_, slot = slot_] {
      if (Endpoint* self = wire.endpoint(slot)) self->ring();
    });
}

std::size_t Endpoint::poll(std::span<Event> events) {
  handed_out_.clear();
  progressed_ = false;
  if (!alive_) return 0;
  if (waited_) disarm();  // a poll before the wait is the second look, and the announcement stands
  std::size_t count = 0;
  for (;;) {
    if (!events_.empty()) {
      if (count == events.size()) break;
      Waiting& waiting = handed_out_.emplace_back(std::move(events_.front()));
      events_.pop_front();
      if (waiting.payload) waiting.event.bytes = *waiting.payload;
      waiting.event.text = waiting.text;
      events[count++] = waiting.event;
    } else if (!inbox_.empty() && inbox_.front().due <= wire_.now()) {
      Packet packet = std::move(inbox_.front().packet);
      inbox_.pop_front();
      land(std::move(packet));
      progressed_ = true;
    } else {
      break;
    }
  }
  return count;
}

void Endpoint::land(Packet packet) {
  if (packet.kind == Packet::Kind::left) {
    settle(packet.reference, true);
    return;
  }
  if (packet.kind == Packet::Kind::hello) {
    for (std::size_t peer = 0; peer < peers_.size(); ++peer)
      if (peers_[peer].state == State::connecting && peers_[peer].slot == packet.from &&
          peers_[peer].ticket == packet.ticket) {
        greet(PeerId(peer), packet);
        return;
      }
    hellos_.push_back({std::move(packet), wire_.now()});
    return;
  }
  const auto found = by_remote_.find({packet.from, packet.from_peer});
  if (found == by_remote_.end()) {  // fenced, or hung up before this node called connect
    if (packet.kind == Packet::Kind::hangup)
      std::erase_if(hellos_, [&](const Hello& hello) {
        return hello.packet.from == packet.from && hello.packet.from_peer == packet.from_peer;
      });
    return;
  }
  const PeerId peer = found->second;
  wire_.trace().add(wire_.now(), "land {} {} {} {}+{}", wire_.address(slot_),
                    wire_.address(packet.from), static_cast<unsigned>(packet.kind), packet.offset,
                    packet.bytes);
  switch (packet.kind) {
    case Packet::Kind::hangup:
      lose(peer, std::move(packet.text), false);
      break;
    case Packet::Kind::import:
      serve_import(peer, packet.region, packet.bytes);
      break;
    case Packet::Kind::release:
      end_import(peer, packet.region);
      break;
    case Packet::Kind::push:
      land_push(peer, packet);
      break;
    case Packet::Kind::message:
      if (Endpoint* sender = wire_.endpoint(packet.from))
        sender->credit(packet.from_peer, packet.lane, packet.bytes);
      emit({.kind = Event::Kind::message, .lane = packet.lane, .peer = peer}, packet.payload);
      break;
    case Packet::Kind::hello:
    case Packet::Kind::left:
      break;
  }
}

// --- sleeping

void Endpoint::emit(Event event, Payload payload, std::string text) {
  events_.push_back({event, std::move(payload), std::move(text)});
  ring();
}

void Endpoint::ring() {
  if (!armed_) return;
  rung_ = true;
  sleeping_ = false;
}

void Endpoint::arm() {
  armed_ = true;
  rung_ = waited_ = false;
}

void Endpoint::disarm() {
  armed_ = rung_ = sleeping_ = waited_ = false;
}

/// Never blocks: it records that the node sleeps, and the driver does not turn it until it is
/// awake. What came before `arm` wakes nobody, here as on a real fabric.
void Endpoint::wait(Time until) {
  waited_ = true;
  if (std::exchange(woken_, false) || rung_ || until <= wire_.now()) return;
  sleeping_ = true;
  deadline_ = until;
}

void Endpoint::wake() {
  if (sleeping_)
    sleeping_ = false;
  else
    woken_ = true;
}

bool Endpoint::asleep() const {
  return sleeping_ && wire_.now() < deadline_;
}

}  // namespace squall::sim
