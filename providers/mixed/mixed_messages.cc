// MixedFabric's messages: what is sent over which link, and what comes.

#include <fmt/format.h>

#include <algorithm>

#include "core/base/ids.h"
#include "core/base/log.h"
#include "providers/mixed/mixed_fabric.h"

namespace squall::mixed {

using fabric::Event;
using fabric::Lane;
using fabric::PeerId;
using fabric::Token;

// --- out

Result<> MixedFabric::send(PeerId id, Lane lane, Bytes message, Token token) {
  return queue(id, lane, message, token, false);
}

Result<> MixedFabric::send_quietly(PeerId id, Lane lane, Bytes message) {
  return queue(id, lane, message, fabric::no_token, true);
}

Result<> MixedFabric::queue(PeerId id, Lane lane, Bytes message, Token token, bool quiet) {
  Peer* peer = live(id);
  if (peer == nullptr)
    return fail(Code::lost, fmt::format("peer {} is lost", static_cast<unsigned>(id)));
  if (message.size() > capabilities_.max_message_bytes)
    return fail(Code::too_large, fmt::format("a message of {} bytes, over the limit of {}",
                                             message.size(), capabilities_.max_message_bytes));
  if (!peer->joined) return fail(Code::would_block, "not connected yet");
  const auto index = static_cast<std::size_t>(lane);
  Outgoing& outgoing = peer->outgoing[index];
  if (!outgoing.has_room(message.size()))
    return fail(Code::would_block, "the lane is full", "poll, then try again");
  Incoming& incoming = peer->incoming[index];
  const bool first = outgoing.idle();
  outgoing.add(message, incoming.count(), std::exchange(peer->behind[index], std::nullopt), quiet);
  incoming.told();
  if (!first || !pump(*peer, index)) make_busy(*peer);
  // It was copied.
  if (token != fabric::no_token) {
    Event event;
    event.kind = Event::Kind::completed;
    event.lane = lane;
    event.peer = id;
    event.token = token;
    emit(event);
  }
  return {};
}

void MixedFabric::make_busy(Peer& peer) {
  if (std::exchange(peer.busy, true)) return;
  busy_.push_back(peer.id);
}

void MixedFabric::pump_busy() {
  std::erase_if(busy_, [this](PeerId id) {
    Peer* peer = find(id);
    if (peer == nullptr) return true;
    peer->busy = peer->state == Peer::State::live && !pump(*peer);
    return !peer->busy;
  });
}

/// False: something is left.
bool MixedFabric::pump(Peer& peer) {
  bool all = true;
  for (std::size_t lane = 0; lane < lane_count; ++lane) {
    for (Pair::LinkIndex link = 0; link < peer.links.size(); ++link)
      all &= tell_losses(peer, link, lane);
    all &= pump(peer, lane);
  }
  return all & ask(peer);
}

bool MixedFabric::pump(Peer& peer, std::size_t lane) {
  if (!peer.joined) return true;  // `join` comes back to it
  const auto carrier = peer.pair.carrier();
  const auto usable = [&](Pair::LinkIndex link) {
    return peer.pair.state(link) == Pair::LinkState::up && tell_losses(peer, link, lane);
  };
  Outgoing& outgoing = peer.outgoing[lane];
  while (const Outgoing::Message* message = outgoing.next()) {
    const bool behind =
        message->behind && peer.pair.state(*message->behind) != Pair::LinkState::lost;
    const Pair::LinkIndex link = behind ? *message->behind : *carrier;
    if (!usable(link) || !give(peer, link, lane, message->frame, message->quiet)) return false;
    outgoing.sent();
  }
  Incoming& incoming = peer.incoming[lane];
  if (!incoming.owes_acknowledgement()) return true;
  const Header header{Header::Kind::acknowledgement, 0, incoming.count()};
  if (!usable(*carrier) || !give(peer, *carrier, lane, encode(header, {}))) return false;
  incoming.told();
  dirty_ = true;
  return true;
}

/// Before anything else on a link that is up: which links are lost.
bool MixedFabric::tell_losses(Peer& peer, Pair::LinkIndex on, std::size_t lane) {
  while (const auto lost = peer.pair.to_tell(on, lane)) {
    if (peer.pair.state(on) == Pair::LinkState::lost) return true;
    if (peer.pair.state(on) != Pair::LinkState::up) return false;
    const Header header{Header::Kind::moved, 0, peer.incoming[lane].count()};
    if (!give(peer, on, lane, encode(header, as_bytes(peer.pair.fabric(*lost))))) return false;
    peer.pair.told(on, lane, *lost);
    dirty_ = true;
  }
  return true;
}

/// False: there is no room on that link, or it is about to be lost.
bool MixedFabric::give(Peer& peer, Pair::LinkIndex on, std::size_t lane, const Frame& frame,
                       bool quiet) {
  fabric::Fabric& child = child_of(peer, on);
  const PeerId link = peer.links[on].id;
  const bool is_short = frame->size() <= child.capabilities().inline_bytes;
  if (quiet && is_short)
    return child.send_quietly(link, static_cast<Lane>(lane), *frame).has_value();
  Token token = fabric::no_token;
  if (!is_short) {
    token = issue({}, 1);
    tickets_[token].frame = frame;
  }
  if (child.send(link, static_cast<Lane>(lane), *frame, token)) return true;
  tickets_.erase(token);
  return false;
}

Import* MixedFabric::moving_import(Peer& peer) {
  if (!peer.moving) return nullptr;
  const auto found = std::ranges::find(peer.imports, *peer.moving, &Import::region);
  return found == peer.imports.end() ? nullptr : &*found;
}

/// Behind the import that moves, on its link. False: there is no room yet.
bool MixedFabric::ask(Peer& peer) {
  const Import* import = moving_import(peer);
  if (import == nullptr || peer.asked) return true;
  constexpr auto lane = static_cast<std::size_t>(Lane::urgent);
  const Header header{Header::Kind::ask, raw(import->region), peer.incoming[lane].count()};
  peer.asked = peer.pair.state(import->link) == Pair::LinkState::up &&
               tell_losses(peer, import->link, lane) &&
               give(peer, import->link, lane, encode(header, {}));
  dirty_ |= peer.asked;
  return peer.asked;
}

/// Whoever polls again has done what the events of the last poll asked for, `attached` among them.
void MixedFabric::answer_asked() {
  std::erase_if(asked_, [this](const Asked& asked) {
    constexpr auto lane = static_cast<std::size_t>(Lane::urgent);
    Peer& peer = *find(asked.peer);
    const Header header{Header::Kind::told, raw(asked.region), peer.incoming[lane].count()};
    return give(peer, asked.on, lane, encode(header, {}));
  });
  dirty_ = true;
}

// --- in

void MixedFabric::on_frame(Peer& peer, Pair::LinkIndex link, Lane lane, Bytes frame) {
  const auto header = decode_header(frame);
  const auto index = static_cast<std::size_t>(lane);
  if (!header || !peer.outgoing[index].acknowledge(header->acknowledged))
    return lose(peer, "it broke the protocol: a message whose header cannot be");
  const Bytes body = frame.subspan(Header::wire_bytes);
  switch (header->kind) {
    case Header::Kind::message:
      return on_message(peer, index, header->number, body);
    case Header::Kind::acknowledgement:
      return;
    case Header::Kind::moved: {
      // One that this node never had, or has lost itself, is no news.
      const auto lost = peer.pair.find(as_text(body));
      if (lost && peer.pair.state(*lost) != Pair::LinkState::lost)
        lose_link(peer, *lost, "the peer has lost this link");
      return;
    }
    case Header::Kind::ask: {
      // It waits for each answer.
      const auto is_its = [&](const Asked& asked) {
        return asked.peer == peer.id && asked.on == link;
      };
      if (std::ranges::any_of(asked_, is_its))
        return lose(peer, "it broke the protocol: asked without waiting for the answer");
      return asked_.push_back({peer.id, link, static_cast<fabric::RegionId>(header->number)});
    }
    case Header::Kind::told: {
      const Import* import = moving_import(peer);
      if (import == nullptr || import->link != link || raw(import->region) != header->number)
        return;
      peer.moving.reset();
      dirty_ = true;
      return move_next(peer);
    }
  }
}

void MixedFabric::on_message(Peer& peer, std::size_t lane, std::uint64_t number, Bytes message) {
  Incoming& incoming = peer.incoming[lane];
  switch (incoming.order(number)) {
    case Incoming::Order::repeated:
      return;
    case Incoming::Order::impossible:
      return lose(peer, "it broke the protocol: a message of a number that cannot be");
    case Incoming::Order::early:
      if (!incoming.hold(number, message))
        lose(peer, "it broke the protocol: it sends more than it may");
      return;
    case Incoming::Order::next:
      break;
  }
  if (!peer.joined) {
    static_cast<void>(incoming.hold(number, message));
    return;
  }
  Event event;
  event.kind = Event::Kind::message;
  event.lane = static_cast<Lane>(lane);
  event.peer = peer.id;
  event.bytes = message;
  emit(event);
  incoming.advance(message.size());
  release_held(peer, lane);
  if (incoming.owes_acknowledgement()) make_busy(peer);
}

/// What waited for one before it, or for the pair to be joined.
void MixedFabric::release_held(Peer& peer, std::size_t lane) {
  while (auto held = peer.incoming[lane].take_held()) {
    Event event;
    event.kind = Event::Kind::message;
    event.lane = static_cast<Lane>(lane);
    event.peer = peer.id;
    emit_owned(event, std::move(*held), {});
  }
}

}  // namespace squall::mixed
