// MixedFabric's regions: exposed on every fabric, imported over one.

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "core/base/ids.h"
#include "core/base/ring_math.h"
#include "providers/mixed/mixed_fabric.h"

namespace squall::mixed {

using fabric::Event;
using fabric::Lane;
using fabric::PeerId;
using fabric::RegionId;
using fabric::Token;

namespace {

tl::unexpected<Error> no_peer(PeerId peer) {
  return fail(Code::lost, fmt::format("peer {} is lost", static_cast<unsigned>(peer)));
}

Event completion(Token token, Lane lane, RegionId region, PeerId peer) {
  Event event;
  event.kind = Event::Kind::completed;
  event.lane = lane;
  event.peer = peer;
  event.region = region;
  event.token = token;
  return event;
}

}  // namespace

// --- mine

Result<> MixedFabric::expose(RegionId region, const fabric::Memory& memory) {
  for (std::size_t index = 0; index < children_.size(); ++index) {
    auto exposed = children_[index].fabric->expose(region, memory);
    if (exposed) continue;
    while (index-- > 0) children_[index].fabric->conceal(region);
    return exposed;
  }
  return {};
}

void MixedFabric::conceal(RegionId region) {
  for (Child& child : children_) child.fabric->conceal(region);
  strays_.erase(region);
  for (const auto& peer : peers_)
    if (peer != nullptr) peer->attached.erase(region);
}

Result<> MixedFabric::push(RegionId region, std::size_t offset, std::size_t bytes, Lane lane,
                           Token token) {
  const Token mine = token == fabric::no_token
                         ? token
                         : issue(completion(token, lane, region, {}), children_.size());
  for (std::size_t index = 0; index < children_.size(); ++index) {
    auto pushed = children_[index].fabric->push(region, offset, bytes, lane, mine);
    if (pushed) [[likely]]
      continue;
    // All of them judge alike, so it is the first that refuses.
    if (index == 0) {
      tickets_.erase(mine);
      return pushed;
    }
    give_back(mine, false);
  }
  if (strays_.empty()) [[likely]]
    return {};
  if (const auto found = strays_.find(region); found != strays_.end())
    for (const PeerId id : found->second)
      if (Peer* peer = live(id))
        peer->behind[static_cast<std::size_t>(lane)] = peer->attached.at(region);
  return {};
}

Result<> MixedFabric::push_to(PeerId id, RegionId region, std::size_t offset, std::size_t bytes,
                              Lane lane, Token token) {
  Peer* peer = live(id);
  if (peer == nullptr) return no_peer(id);
  // Who had it over a link that is lost says so when it has it again: until then this is for
  // nobody.
  const auto moved = [&]() -> Result<> {
    if (token != fabric::no_token) emit(completion(token, lane, region, id));
    return {};
  };
  const auto attached = peer->attached.find(region);
  if (attached == peer->attached.end() && peer->pair.has_moved()) return moved();
  const Pair::LinkIndex link =
      attached != peer->attached.end() ? attached->second : *peer->pair.carrier();
  const Token mine =
      token == fabric::no_token ? token : issue(completion(token, lane, region, id), 1);
  auto pushed =
      child_of(*peer, link).push_to(peer->links[link].id, region, offset, bytes, lane, mine);
  if (!pushed) {
    tickets_.erase(mine);
    // It knows before it has told.
    return pushed.error().code == Code::lost ? moved() : pushed;
  }
  if (link != peer->pair.carrier()) peer->behind[static_cast<std::size_t>(lane)] = link;
  return pushed;
}

void MixedFabric::note_attached(Peer& peer, Pair::LinkIndex link, RegionId region) {
  // Importers move from better links to worse ones. What a better one tells late, behind what the
  // next has told already, is of the past: pushes that went there would be lost with it.
  const auto [at, fresh] = peer.attached.try_emplace(region, link);
  if (!fresh) at->second = std::max(at->second, link);
  if (at->second == peer.pair.carrier()) return;
  auto& strays = strays_[region];
  if (std::ranges::find(strays, peer.id) == strays.end()) strays.push_back(peer.id);
}

/// What it had over a link, or over all of them.
void MixedFabric::note_detached(Peer& peer, std::optional<Pair::LinkIndex> link) {
  std::erase_if(peer.attached,
                [&](const auto& attached) { return !link || attached.second == *link; });
  for (auto at = strays_.begin(); at != strays_.end();) {
    if (!peer.attached.contains(at->first)) std::erase(at->second, peer.id);
    at = at->second.empty() ? strays_.erase(at) : std::next(at);
  }
}

// --- the peers'

Result<const std::byte*> MixedFabric::import(PeerId id, RegionId region, std::size_t bytes) {
  Peer* peer = live(id);
  if (peer == nullptr) return no_peer(id);
  if (std::ranges::find(peer->imports, region, &Import::region) != peer->imports.end())
    return fail(Code::invalid, fmt::format("region {} was imported before", raw(region)));
  for (;;) {
    const Pair::LinkIndex link = *peer->pair.carrier();
    auto at = child_of(*peer, link).import(peer->links[link].id, region, bytes);
    if (at) {
      peer->imports.push_back({region, bytes, false, link, const_cast<std::byte*>(*at)});
      return at;
    }
    if (at.error().code != Code::lost) return at;
    // It knows before it has told.
    lose_link(*peer, link, at.error().text());
    if (peer->state != Peer::State::live) return no_peer(id);
  }
}

Result<const std::byte*> MixedFabric::import_object(PeerId id, RegionId region, std::size_t bytes,
                                                    fabric::Memory* landing) {
  Peer* peer = live(id);
  if (peer == nullptr) return no_peer(id);
  auto known = std::ranges::find(peer->imports, region, &Import::region);
  if (known != peer->imports.end() && !known->object)
    return fail(Code::invalid, fmt::format("region {} was imported before", raw(region)),
                "a region is an object or is not");
  for (;;) {
    const auto link = peer->pair.object_carrier();
    if (!link) {
      lose(*peer, "no network is left for its large objects: " + peer->pair.why_lost());
      return no_peer(id);
    }
    auto at = child_of(*peer, *link).import_object(peer->links[*link].id, region, bytes, landing);
    if (at) {
      if (known == peer->imports.end())
        peer->imports.push_back({region, bytes, true, *link});
      else
        known->link = *link;
      return at;
    }
    if (at.error().code != Code::lost) return at;
    // As with `import`.
    lose_link(*peer, *link, at.error().text());
    if (peer->state != Peer::State::live) return no_peer(id);
  }
}

void MixedFabric::release(PeerId id, RegionId region) {
  Peer* peer = find(id);
  if (peer == nullptr) return;
  const auto known = std::ranges::find(peer->imports, region, &Import::region);
  if (known == peer->imports.end() || !known->object) return;
  child_of(*peer, known->link).release(peer->links[known->link].id, region);
  peer->imports.erase(known);
}

/// A replica of a lost link's stays where it is; from now on another one writes there.
Result<> MixedFabric::land_anew(Peer& peer, Import& import, Pair::LinkIndex link) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  // What was mapped is a copy of our own since the fence.
  if (mprotect(import.at, round_up(import.bytes, page), PROT_READ | PROT_WRITE) != 0)
    return fail_errno("cannot make a replica writable", errno);
  import.landing = fabric::Memory::lent({import.at, import.bytes});
  auto at = child_of(peer, link)
                .import_object(peer.links[link].id, import.region, import.bytes, &import.landing);
  if (!at) return tl::unexpected(at.error());
  import.link = link;
  return {};
}

}  // namespace squall::mixed
