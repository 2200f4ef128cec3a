// MixedFabric's life with its peers: over which fabrics, from the first of them to the last.

#include <fmt/format.h>

#include <algorithm>

#include "core/base/log.h"
#include "providers/mixed/mixed_address.h"
#include "providers/mixed/mixed_fabric.h"

namespace squall::mixed {

using fabric::Event;
using fabric::PeerId;

namespace {

std::string names(const std::vector<Address::Part>& parts) {
  std::string all;
  for (const Address::Part& part : parts) all += (all.empty() ? "" : ", ") + part.fabric;
  return all;
}

}  // namespace

Result<PeerId> MixedFabric::connect(std::string_view peer_address, const fabric::Ticket& ticket) {
  const auto address = decode_address(peer_address);
  if (!address)
    return fail(Code::invalid, fmt::format("what should be an address of {} is none", name_),
                "is the peer configured for another fabric, or of another version?");
  const auto id = static_cast<PeerId>(peers_.size());
  auto peer = std::make_unique<Peer>(id);
  std::string refused;
  for (std::size_t index = 0; index < children_.size(); ++index) {
    Child& child = children_[index];
    const auto part =
        std::ranges::find(address->parts, child.fabric->name(), &Address::Part::fabric);
    if (part == address->parts.end() || (child.maps && address->host != host_)) continue;
    auto link = child.fabric->connect(part->address, ticket);
    if (!link) {
      refused +=
          fmt::format("{}{}: {}", refused.empty() ? "" : "; ", part->fabric, link.error().text());
      continue;
    }
    const auto number = static_cast<std::size_t>(*link);
    if (number >= child.owners.size()) child.owners.resize(number + 1);
    child.owners[number] = {id, peer->links.size()};
    peer->links.push_back({index, *link});
    peer->pair.add(child.fabric->name(), child.maps);
  }
  if (peer->links.empty()) {
    if (refused.empty())
      refused = fmt::format("it has {}, of which none reaches here", names(address->parts));
    return fail(Code::unavailable, "no fabric joins this node with the peer: " + refused,
                "give both a fabric in common (`squall info`)");
  }
  peers_.push_back(std::move(peer));
  return id;
}

void MixedFabric::join(Peer& peer) {
  if (peer.joined || !peer.pair.joined()) return;
  peer.joined = true;
  Event event;
  event.kind = Event::Kind::connected;
  event.peer = peer.id;
  emit(event);
  log(Level::debug, "{}: peer {} is joined over {}", name_, static_cast<unsigned>(peer.id),
      peer.pair.fabric(*peer.pair.carrier()));
  for (std::size_t lane = 0; lane < lane_count; ++lane) release_held(peer, lane);
}

void MixedFabric::lose_link(Peer& peer, Pair::LinkIndex link, std::string_view why) {
  fence(peer, link, why);
  settle(peer);
}

/// Nothing of that link counts any more, here; the peer learns it on the others.
void MixedFabric::fence(Peer& peer, Pair::LinkIndex link, std::string_view why) {
  if (!peer.pair.lose(link, why)) return;
  child_of(peer, link).disconnect(peer.links[link].id);
  note_detached(peer, link);
  std::erase_if(asked_,
                [&](const Asked& asked) { return asked.peer == peer.id && asked.on == link; });
  // Where it was going is lost, too.
  if (const auto moving = moving_import(peer); moving != nullptr && moving->link == link)
    peer.moving.reset();
  for (Outgoing& lane : peer.outgoing) lane.again();
  for (auto& behind : peer.behind)
    if (behind == link) behind.reset();
}

/// After links were lost: what went over them goes on over the carrier, or the peer is lost.
void MixedFabric::settle(Peer& peer) {
  move_next(peer);
  if (peer.state != Peer::State::live) return;
  log(Level::info, "{}: peer {} goes on over {} ({})", name_, static_cast<unsigned>(peer.id),
      peer.pair.fabric(*peer.pair.carrier()), peer.pair.why_lost());
  join(peer);
  make_busy(peer);
  dirty_ = true;
}

/// Imports over the carrier what a lost link has left, one region after the other in the order of
/// the calls: the next one when the owner has told this one what it must know. Counters are
/// imported behind what they publish, and must not tell of bytes that have not come.
void MixedFabric::move_next(Peer& peer) {
  for (;;) {
    const auto carrier = peer.pair.carrier();
    if (!carrier) return lose(peer, peer.pair.why_lost());
    const auto left_behind = [&](const Import& import) {
      return peer.pair.state(import.link) == Pair::LinkState::lost;
    };
    for (const Import& import : peer.imports)
      if (import.object && left_behind(import))
        return lose(peer, "a large object was on its way from it: " + peer.pair.why_lost());
    if (peer.moving) return;
    const auto import = std::ranges::find_if(peer.imports, left_behind);
    if (import == peer.imports.end()) return;
    const auto landed = land_anew(peer, *import, *carrier);
    if (landed) {
      peer.moving = import->region;
      peer.asked = false;
      return make_busy(peer);
    }
    fence(peer, *carrier, landed.error().text());
  }
}

void MixedFabric::lose(Peer& peer, std::string why) {
  if (peer.state != Peer::State::live) return;
  log(Level::info, "{}: peer {} is lost: {}", name_, static_cast<unsigned>(peer.id), why);
  peer.state = Peer::State::lost;
  leave(peer);
  Event event;
  event.kind = Event::Kind::lost;
  event.ok = false;
  event.peer = peer.id;
  emit_owned(event, {}, std::move(why));
}

/// The end of all its links.
void MixedFabric::leave(Peer& peer) {
  for (Pair::LinkIndex link = 0; link < peer.links.size(); ++link)
    child_of(peer, link).disconnect(peer.links[link].id);
  note_detached(peer, std::nullopt);
  std::erase_if(asked_, [&](const Asked& asked) { return asked.peer == peer.id; });
  peer.outgoing = {};
  peer.incoming = {};
}

void MixedFabric::disconnect(PeerId id) {
  Peer* peer = find(id);
  if (peer == nullptr || peer->state == Peer::State::disconnected) return;
  if (peer->state == Peer::State::live) leave(*peer);
  peer->state = Peer::State::disconnected;
  std::erase_if(pending_, [&](const Pending& waiting) {
    return waiting.event.peer == id && waiting.event.kind != Event::Kind::completed;
  });
}

void MixedFabric::forget(PeerId id) {
  Peer* peer = find(id);
  if (peer == nullptr) return;
  disconnect(id);
  // What landed in memory of the first link's goes before it.
  for (Pair::LinkIndex link = peer->links.size(); link-- > 0;)
    child_of(*peer, link).forget(peer->links[link].id);
  peers_[static_cast<std::size_t>(id)].reset();
}

}  // namespace squall::mixed
