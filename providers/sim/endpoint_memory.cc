// Regions, their replicas, and the pushes from one to the other.

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "core/base/ids.h"
#include "providers/sim/endpoint.h"

namespace squall::sim {

using fabric::Event;
using fabric::Lane;
using fabric::PeerId;
using fabric::RegionId;
using fabric::Token;

Result<> Endpoint::expose(RegionId region, const fabric::Memory& memory) {
  if (!alive_) return stopped();
  if (exposed_.contains(region))
    return fail(Code::invalid, fmt::format("region {} was exposed before", raw(region)),
                "regions have names of their own");
  exposed_[region] = {.data = memory.data(), .bytes = memory.size()};
  std::vector<Importer> served;
  std::erase_if(imports_to_serve_, [&](const auto& wanted) {
    if (wanted.first == region) served.push_back(wanted.second);
    return wanted.first == region;
  });
  for (const Importer& importer : served) serve_import(importer.peer, region, importer.bytes);
  return {};
}

void Endpoint::conceal(RegionId region) {
  const auto found = exposed_.find(region);
  if (found == exposed_.end() || found->second.data == nullptr) return;
  for (Staged& staged : staged_)
    if (staged.packet.kind == Packet::Kind::push && staged.packet.region == region &&
        staged.source != nullptr) {
      staged.packet.payload = copy_of(staged.source, staged.packet.bytes);
      staged.source = nullptr;
    }
  found->second = {};
}

Result<const std::byte*> Endpoint::import(PeerId id, RegionId region, std::size_t bytes) {
  const auto peer = usable(id);
  if (!peer) return tl::unexpected(peer.error());
  if (bytes == 0) return fail(Code::invalid, "a replica has bytes");
  auto& replicas = (*peer)->replicas;
  if (replicas.contains(region))
    return fail(Code::invalid, fmt::format("region {} is imported already", raw(region)));
  auto* data = static_cast<std::byte*>(operator new(bytes, page, std::nothrow));
  if (data == nullptr) return fail(Code::io, fmt::format("no memory for {} bytes", bytes));
  std::memset(data, 0, bytes);
  replicas[region] = {.at = {data, bytes}};
  ask(id, Packet::Kind::import, region, bytes);
  return data;
}

Result<const std::byte*> Endpoint::import_object(PeerId id, RegionId region, std::size_t bytes,
                                                 fabric::Memory* landing) {
  const auto peer = usable(id);
  if (!peer) return tl::unexpected(peer.error());
  if (landing == nullptr || bytes == 0 || bytes > landing->size())
    return fail(Code::invalid, fmt::format("{} bytes of an object land in {}", bytes,
                                           landing == nullptr ? 0 : landing->size()));
  const auto known = (*peer)->replicas.find(region);
  if (known != (*peer)->replicas.end() && !known->second.object)
    return fail(Code::invalid, fmt::format("region {} is imported already", raw(region)),
                "a region is an object or is not");
  (*peer)->replicas[region] = {.at = {landing->data(), bytes}, .object = true};
  ask(id, Packet::Kind::import, region, bytes);
  return landing->data();
}

void Endpoint::release(PeerId id, RegionId region) {
  if (index(id) >= peers_.size()) return;
  Peer& peer = peers_[index(id)];
  const auto found = peer.replicas.find(region);
  if (found == peer.replicas.end() || !found->second.object) return;
  peer.replicas.erase(found);
  if (alive_ && open(peer)) ask(id, Packet::Kind::release, region, 0);
}

/// An import or its end, as soon as the peer is connected.
void Endpoint::ask(PeerId id, Packet::Kind kind, RegionId region, std::size_t bytes) {
  Peer& peer = peers_[index(id)];
  Packet request{.kind = kind,
                 .from = slot_,
                 .to = peer.slot,
                 .from_peer = id,
                 .region = region,
                 .bytes = bytes};
  if (peer.state == State::connected)
    wire_.send(std::move(request));
  else
    peer.held.push_back(std::move(request));
}

void Endpoint::serve_import(PeerId id, RegionId region, std::size_t bytes) {
  const auto found = exposed_.find(region);
  if (found == exposed_.end()) {
    imports_to_serve_.push_back({region, {id, bytes}});
    return;
  }
  Exposed& exposed = found->second;
  if (exposed.data == nullptr) return;  // concealed: the replica stays as it is
  if (bytes > exposed.bytes) {
    lose(
        id,
        fmt::format("wants {} bytes of region {}, which has {}", bytes, raw(region), exposed.bytes),
        true);
    return;
  }
  std::erase_if(exposed.importers, [&](const Importer& importer) { return importer.peer == id; });
  exposed.importers.push_back({id, bytes});
  emit({.kind = Event::Kind::attached, .peer = id, .region = region});
}

void Endpoint::end_import(PeerId id, RegionId region) {
  std::erase_if(imports_to_serve_, [&](const auto& wanted) {
    return wanted.first == region && wanted.second.peer == id;
  });
  const auto found = exposed_.find(region);
  if (found == exposed_.end()) return;
  std::erase_if(found->second.importers,
                [&](const Importer& importer) { return importer.peer == id; });
}

Result<> Endpoint::push(RegionId region, std::size_t offset, std::size_t bytes, Lane lane,
                        Token token) {
  if (!alive_) return stopped();
  const auto found = exposed_.find(region);
  if (found == exposed_.end() || found->second.data == nullptr)
    return fail(Code::invalid, fmt::format("region {} is not exposed", raw(region)));
  return stage(region, found->second, found->second.importers, offset, bytes, lane, token);
}

Result<> Endpoint::push_to(PeerId id, RegionId region, std::size_t offset, std::size_t bytes,
                           Lane lane, Token token) {
  const auto peer = usable(id);
  if (!peer) return tl::unexpected(peer.error());
  const auto found = exposed_.find(region);
  if (found == exposed_.end() || found->second.data == nullptr)
    return fail(Code::invalid, fmt::format("region {} is not exposed", raw(region)));
  std::vector<Importer> one;
  for (const Importer& importer : found->second.importers)
    if (importer.peer == id) one.push_back(importer);
  return stage(region, found->second, one, offset, bytes, lane, token);
}

Result<> Endpoint::stage(RegionId region, const Exposed& exposed,
                         const std::vector<Importer>& importers, std::size_t offset,
                         std::size_t bytes, Lane lane, Token token) {
  if (offset > exposed.bytes || bytes > exposed.bytes - offset)
    return fail(Code::invalid, fmt::format("{} bytes at {} of region {}, which has {}", bytes,
                                           offset, raw(region), exposed.bytes));
  Staged staged;
  for (const Importer& importer : importers)  // each sees the first bytes only, as it asked
    if (offset < importer.bytes && bytes > 0)
      staged.targets.emplace_back(importer.peer, std::min(bytes, importer.bytes - offset));
  const std::size_t packets = staged.targets.size();
  const PeerId peer = packets > 0 ? staged.targets[0].first : PeerId{};
  staged.packet = {.kind = Packet::Kind::push,
                   .lane = lane,
                   .from = slot_,
                   .region = region,
                   .offset = offset,
                   .bytes = bytes,
                   .reference = remember(token, peer, lane, packets)};
  if (packets == 0) return {};
  if (bytes <= wire_.options().inline_bytes)
    staged.packet.payload = copy_of(exposed.data + offset, bytes);
  else
    staged.source = exposed.data + offset;
  staged_.push_back(std::move(staged));
  return {};
}

void Endpoint::land_push(PeerId id, const Packet& push) {
  const auto& replicas = peers_[index(id)].replicas;
  const auto found = replicas.find(push.region);
  if (found == replicas.end() || push.offset > found->second.at.size() ||
      push.bytes > found->second.at.size() - push.offset) {
    lose(id, "pushed outside of its replica", true);
    return;
  }
  std::memcpy(found->second.at.data() + push.offset, push.payload->data(), push.bytes);
}

void Endpoint::free_replicas(PeerId id) {
  for (auto& [region, replica] : std::exchange(peers_[index(id)].replicas, {}))
    if (!replica.object) operator delete(replica.at.data(), page);
}

}  // namespace squall::sim
