// Regions of both sides: whose memory is handed over, and when.

#include <fmt/format.h>

#include <algorithm>

#include "core/base/ids.h"
#include "providers/shm/shm_fabric.h"

namespace squall::shm {

using fabric::Event;
using fabric::PeerId;
using fabric::RegionId;

namespace {

constexpr std::size_t max_regions_per_peer = 4096;
/// One region may be asked for again (an object that is imported anew), each time with a grant.
constexpr std::ptrdiff_t max_wants_per_region = 64;

}  // namespace

Result<> ShmFabric::expose(RegionId region, const fabric::Memory& memory) {
  if (memory.data() == nullptr) return fail(Code::invalid, "exposing empty memory");
  if (find_region(region) != nullptr)
    return fail(Code::invalid, fmt::format("region {} is exposed already", raw(region)));
  exposed_.push_back({region, memory.fd(), memory.size()});
  for (std::size_t i = 0; i < turning_.size(); ++i) {
    Peer& peer = *turning_[i];
    const auto is_it = [&](const Control& want) { return want.region == region; };
    std::size_t wants = std::erase_if(peer.wants, is_it);
    for (; wants > 0 && peer.state == Peer::State::up; --wants)
      handle_want(peer, {.kind = PacketKind::want, .region = region});
  }
  return {};
}

void ShmFabric::conceal(RegionId region) {
  std::erase_if(exposed_, [&](const Exposed& e) { return e.id == region; });
  for (const auto& peer : peers_)
    if (peer != nullptr) peer->end_grant(region);
}

Result<const std::byte*> ShmFabric::import(PeerId id, RegionId region, std::size_t bytes) {
  Peer* peer = find(id);
  if (peer == nullptr || peer->state > Peer::State::up)
    return fail(Code::lost, fmt::format("peer {} is lost", static_cast<unsigned>(id)));
  if (Import* known = peer->find_import(region)) {
    if (!known->object && bytes <= known->asked_bytes) return known->replica.data();
    return fail(Code::invalid, fmt::format("region {} was imported with {} bytes before, now {}",
                                           raw(region), known->asked_bytes, bytes));
  }
  return add_import(*peer, region, bytes, false);
}

Result<const std::byte*> ShmFabric::import_object(PeerId id, RegionId region, std::size_t bytes,
                                                  fabric::Memory*) {
  Peer* peer = find(id);
  if (peer == nullptr || peer->state > Peer::State::up)
    return fail(Code::lost, fmt::format("peer {} is lost", static_cast<unsigned>(id)));
  const Import* known = peer->find_import(region);
  if (known != nullptr && !known->object)
    return fail(Code::invalid, fmt::format("region {} was imported before", raw(region)),
                "a region is an object or is not");
  return add_import(*peer, region, bytes, true);
}

Result<const std::byte*> ShmFabric::add_import(Peer& peer, RegionId region, std::size_t bytes,
                                               bool object) {
  auto replica = Replica::reserve(bytes);
  if (!replica) return tl::unexpected(replica.error());
  // Every import of an object is asked for, and so told of at the owner, even if it is replaced.
  std::uint32_t wants = 1;
  if (const Import* known = peer.find_import(region)) wants += known->unasked_wants;
  peer.drop_import(region);
  Import& import = peer.imports.emplace_back();
  import.region = region;
  import.asked_bytes = bytes;
  import.object = object;
  import.replica = std::move(*replica);
  if (peer.state == Peer::State::up)
    request(peer, import);
  else
    import.unasked_wants = wants;
  return import.replica.data();
}

void ShmFabric::release(PeerId id, RegionId region) {
  Peer* peer = find(id);
  if (peer == nullptr) return;
  const Import* known = peer->find_import(region);
  if (known == nullptr || !known->object) return;
  peer->drop_import(region);
  if (peer->state == Peer::State::up)
    peer->post(waiter_, {.kind = PacketKind::release, .region = region});
}

void ShmFabric::request(Peer& peer, Import& import) {
  eager_ = true;
  polls_left_ = 1;
  ++peer.awaited[import.region];
  peer.post(waiter_,
            {.kind = PacketKind::want, .region = import.region, .bytes = import.asked_bytes});
}

void ShmFabric::handle_want(Peer& peer, const Control& want) {
  if (const Exposed* region = find_region(want.region)) {
    Grant& grant = peer.granted[want.region];
    if (grant.unattached == max_wants_per_region)
      return lose(peer, "it broke the protocol: asked for a region again and again", true);
    grant.live = true;
    ++grant.unattached;
    // Whether it is long enough is for the peer to judge, from the memory itself.
    return peer.post(waiter_, {.kind = PacketKind::grant, .region = want.region}, region->fd);
  }
  if (peer.wants.size() + peer.granted.size() >= max_regions_per_peer)
    return lose(peer, "it broke the protocol: asked for too many regions", true);
  if (std::ranges::count(peer.wants, want.region, &Control::region) == max_wants_per_region)
    return lose(peer, "it broke the protocol: asked for a region again and again", true);
  peer.wants.push_back(want);
}

void ShmFabric::handle_grant(Peer& peer, const Control& grant, Packet& packet) {
  const auto awaited = peer.awaited.find(grant.region);
  if (awaited == peer.awaited.end() || packet.fd_count != 1)
    return lose(peer, "it broke the protocol: handed over what was not asked for", true);
  if (--awaited->second == 0) peer.awaited.erase(awaited);
  // One that was released meanwhile is answered all the same: the owner counts the answers.
  Import* import = peer.find_import(grant.region);
  if (import != nullptr && !import->replica.mapped()) {
    if (auto mapped = import->replica.map(packet.fds[0], import->object); !mapped)
      return lose(
          peer,
          fmt::format("cannot import its region {}: {}", raw(grant.region), mapped.error().text()),
          true);
  }
  peer.post(waiter_, {.kind = PacketKind::attached, .region = grant.region});
}

void ShmFabric::handle_attached(Peer& peer, RegionId region) {
  const auto found = peer.granted.find(region);
  if (found == peer.granted.end() || found->second.unattached == 0)
    return lose(peer, "it broke the protocol: attached what it was not given", true);
  --found->second.unattached;
  if (!found->second.live) return peer.end_grant(region);
  pending_.push_back({Event{.kind = Event::Kind::attached, .peer = peer.id, .region = region}, {}});
}

}  // namespace squall::shm
