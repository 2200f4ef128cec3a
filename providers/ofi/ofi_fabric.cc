#include "providers/ofi/ofi_fabric.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/ids.h"
#include "core/base/log.h"
#include "providers/ofi/ofi_limits.h"

namespace squall::ofi {
namespace {

using fabric::Event;
using fabric::Token;

// What `send` may leave in a batch before it says would_block.
constexpr std::size_t most_queued_messages = 1024;
constexpr std::size_t most_queued_bytes = std::size_t{1} << 20;
// Imports that one peer may have at a time.
constexpr std::size_t most_imports = 4096;
// One push becomes entries of at most this much.
constexpr std::size_t entry_bytes = std::size_t{1} << 30;
// Rounds of receiving in one poll before it comes back.
constexpr std::size_t message_room = 32;

}  // namespace

/// Applies one peer's messages to its replicas and turns the rest into events.
class OfiFabric::Landed final : public Receiver {
 public:
  Landed(OfiFabric& fabric, Peer& peer, Lane lane) : fabric_(fabric), peer_(peer), lane_(lane) {}

  MutableBytes replica(RegionId region) override { return peer_.replicas.find(region); }
  void on_message(Bytes message) override {
    Event& event = fabric_.ready(Event::Kind::message, peer_.id);
    event.lane = lane_;
    event.bytes = message;
    keep_ = true;
  }
  void on_import(RegionId region, std::uint64_t bytes,
                 const std::optional<WriteTarget>& target) override {
    fabric_.serve_import(region, {peer_.id, bytes, target});
  }
  void on_refused(RegionId region, std::uint64_t region_bytes) override {
    fabric_.lose(peer_,
                 fmt::format("the peer's region {} has only {} bytes", raw(region), region_bytes));
  }
  void on_release(RegionId region) override { fabric_.end_import(peer_, region); }
  bool keep() const { return keep_; }

 private:
  OfiFabric& fabric_;
  Peer& peer_;
  Lane lane_;
  bool keep_ = false;
};

OfiFabric::OfiFabric(std::string name, std::unique_ptr<Transport> transport)
    : name_(std::move(name)), transport_(std::move(transport)) {
  // What wants memory registered writes it itself; tcp's writes are messages.
  capabilities_.writes = transport_->writes() != nullptr && transport_->writes()->registers();
  capabilities_.can_wait = transport_->queue().can_wait();
  capabilities_.detects_loss = transport_->detects_loss();
  capabilities_.max_message_bytes = max_message_bytes;
  capabilities_.inline_bytes = inline_bytes;
}

OfiFabric::~OfiFabric() {
  // It sends from the regions, and its peers write into the replicas, until their links are closed;
  // and what is registered goes before the domain that it is registered with.
  std::vector<TokenIndex> tokens;
  for (const auto& peer : peers_)
    if (peer != nullptr) transport_->disconnect(peer->id, tokens);
  peers_.clear();
  regions_.clear();
  retired_.clear();
  transport_.reset();
}

// --- peers

OfiFabric::Peer* OfiFabric::find(PeerId peer) {
  const auto index = static_cast<std::size_t>(peer);
  return index < peers_.size() ? peers_[index].get() : nullptr;
}

Result<PeerId> OfiFabric::connect(std::string_view peer_address, const Ticket& ticket) {
  const auto id = static_cast<PeerId>(peers_.size());
  // A slot per peer that ever was: a pointer, since numbers are never reused.
  peers_.push_back(std::make_unique<Peer>(id));
  auto connecting = transport_->connect(id, peer_address, ticket, Monotonic::now());
  if (!connecting) {
    peers_.pop_back();
    return tl::unexpected(connecting.error());
  }
  return id;
}

void OfiFabric::disconnect(PeerId id) {
  Peer* peer = find(id);
  if (peer == nullptr || peer->state == Peer::State::disconnected) return;
  const bool was_lost = peer->state == Peer::State::lost;
  peer->state = Peer::State::disconnected;
  // What it sent and nobody has seen yet does not count any more.
  ready_.erase(
      std::remove_if(ready_.begin() + static_cast<std::ptrdiff_t>(next_ready_), ready_.end(),
                     [&](const Event& event) {
                       return event.peer == id && event.kind != Event::Kind::completed;
                     }),
      ready_.end());
  if (!was_lost) fail_queued(*peer);
}

void OfiFabric::forget(PeerId id) {
  Peer* peer = find(id);
  if (peer == nullptr) return;
  disconnect(id);
  peers_[static_cast<std::size_t>(id)].reset();
}

void OfiFabric::lose(Peer& peer, std::string why) {
  if (!peer.live()) return;
  peer.state = Peer::State::lost;
  log(Level::info, "{}: peer {} is lost: {}", name_, static_cast<std::uint32_t>(peer.id), why);
  fail_queued(peer);
  ready(Event::Kind::lost, peer.id).text = texts_.emplace_back(std::move(why));
}

void OfiFabric::fail_queued(Peer& peer) {
  std::vector<TokenIndex> tokens;
  transport_->disconnect(peer.id, tokens);
  for (const Lane lane : lanes) {
    const auto queued = batch(peer, lane).clear();
    tokens.insert(tokens.end(), queued.begin(), queued.end());
  }
  for (const TokenIndex token : tokens) done(token, false);
  leave_regions(peer.id);
}

void OfiFabric::leave_regions(PeerId peer) {
  for (auto at = regions_.begin(); at != regions_.end();) {
    Region& region = at->second;
    std::erase_if(region.importers, [&](const auto& importer) { return importer.peer == peer; });
    // Asked for and never exposed: nobody's.
    at = !region.exposed && region.importers.empty() ? regions_.erase(at) : std::next(at);
  }
}

// --- messages

Result<> OfiFabric::send(PeerId id, Lane lane, Bytes message, Token token) {
  Peer* peer = find(id);
  if (peer == nullptr || !peer->live())
    return fail(Code::lost, fmt::format("peer {} is lost", static_cast<std::uint32_t>(id)));
  if (message.size() > max_message_bytes)
    return fail(Code::too_large, fmt::format("a message of {} bytes, over the limit of {}",
                                             message.size(), max_message_bytes));
  Batch& queued = batch(*peer, lane);
  if (queued.message_count() >= most_queued_messages ||
      queued.message_bytes() + message.size() > most_queued_bytes)
    return fail(Code::would_block, "the lane is full", "poll, then try again");
  queued.send(message, tokens_.add(token, 1));
  touch(*peer);
  return {};
}

// --- memory

Result<> OfiFabric::expose(RegionId id, const fabric::Memory& memory) {
  Region& region = regions_[raw(id)];
  if (region.exposed)
    return fail(Code::invalid, fmt::format("region {} is exposed already", raw(id)));
  auto source = Source::create(memory);
  if (!source) return tl::unexpected(source.error());
  region.exposed = true;
  region.memory = std::move(*source);
  const auto waiting = std::exchange(region.importers, {});
  for (const auto& importer : waiting) {
    --find(importer.peer)->imports;  // counted again
    serve_import(id, importer);
  }
  return {};
}

void OfiFabric::conceal(RegionId id) {
  const auto found = regions_.find(raw(id));
  if (found == regions_.end()) return;
  Retired retired{std::move(found->second.memory), {}};
  for (const auto& importer : found->second.importers) {
    Peer& peer = *find(importer.peer);
    --peer.imports;
    for (const Lane lane : lanes) {
      for (const TokenIndex token : batch(peer, lane).drop(id)) done(token, true);
      const auto at = static_cast<std::size_t>(lane);
      if (peer.referring[at] != peer.referred[at])
        retired.flights.push_back({peer.id, at, peer.referring[at]});
    }
  }
  regions_.erase(found);
  if (!retired.flights.empty()) retired_.push_back(std::move(retired));
}

/// Unmaps concealed regions that nothing in flight refers to any more.
void OfiFabric::let_go() {
  std::erase_if(retired_, [&](Retired& retired) {
    std::erase_if(retired.flights, [&](const Retired::Flight& flight) {
      const Peer* peer = find(flight.peer);
      return peer == nullptr || !peer->live() || peer->referred[flight.lane] >= flight.last;
    });
    return retired.flights.empty();
  });
}

void OfiFabric::serve_import(RegionId id, const Region::Importer& importer) {
  Peer& peer = *find(importer.peer);
  if (!peer.live()) return;
  Region& region = regions_[raw(id)];
  if (region.exposed && importer.bytes > region.memory.bytes().size()) {
    batch(peer, Lane::urgent).control(EntryKind::refused, id, region.memory.bytes().size());
    return touch(peer);
  }
  // Imported again: the newest counts. (Until it is exposed, each waits for its `attached`.)
  if (region.exposed)
    peer.imports -=
        std::erase_if(region.importers, [&](const auto& other) { return other.peer == peer.id; });
  region.importers.push_back(importer);
  if (++peer.imports > most_imports) return lose(peer, "the peer imports too many regions");
  if (region.exposed) ready(Event::Kind::attached, peer.id).region = id;
}

void OfiFabric::end_import(Peer& peer, RegionId id) {
  const auto found = regions_.find(raw(id));
  if (found == regions_.end()) return;
  Region& region = found->second;
  const std::size_t ended = std::erase_if(
      region.importers, [&](const auto& importer) { return importer.peer == peer.id; });
  if (ended == 0) return;
  peer.imports -= ended;
  for (const Lane lane : lanes)
    for (const TokenIndex token : batch(peer, lane).drop(id)) done(token, true);
  if (!region.exposed && region.importers.empty()) regions_.erase(found);
}

Result<const std::byte*> OfiFabric::import(PeerId id, RegionId region, std::size_t bytes) {
  Peer* peer = find(id);
  if (peer == nullptr || !peer->live())
    return fail(Code::lost, fmt::format("peer {} is lost", static_cast<std::uint32_t>(id)));
  // One write at least: a mirror that is shorter changes by words.
  const bool written = transport_->write_limits(Lane::urgent).allow(bytes);
  const auto added = peer->replicas.add(region, bytes, written ? transport_->writes() : nullptr);
  if (!added) return tl::unexpected(added.error());
  const Replica& mirror = **added;
  import_at(*peer, region, bytes, mirror.written.get());
  return mirror.bytes().data();
}

Result<const std::byte*> OfiFabric::import_object(PeerId id, RegionId region, std::size_t bytes,
                                                  fabric::Memory* landing) {
  Peer* peer = find(id);
  if (peer == nullptr || !peer->live())
    return fail(Code::lost, fmt::format("peer {} is lost", static_cast<std::uint32_t>(id)));
  if (landing == nullptr || bytes == 0 || bytes > landing->size())
    return fail(Code::invalid, fmt::format("{} bytes of an object land in {}", bytes,
                                           landing == nullptr ? 0 : landing->size()));
  const MutableBytes place(landing->data(), bytes);
  std::shared_ptr<OpenMemory> open;
  if (transport_->write_limits(Lane::bulk).allow(bytes))
    open = open_memories_.get(*transport_->writes(), place);
  auto replica = peer->replicas.add_object(region, place, open);
  if (!replica) return replica;
  import_at(*peer, region, bytes, open.get());
  return replica;
}

/// Asks for it, to be written into that memory, if there is any.
void OfiFabric::import_at(Peer& peer, RegionId region, std::size_t bytes, const OpenMemory* open) {
  batch(peer, Lane::urgent)
      .control(EntryKind::import, region, bytes,
               open != nullptr ? std::as_bytes(std::span(&open->target(), 1)) : Bytes());
  touch(peer);
}

void OfiFabric::release(PeerId id, RegionId region) {
  Peer* peer = find(id);
  if (peer == nullptr || !peer->replicas.remove_object(region) || !peer->live()) return;
  batch(*peer, Lane::urgent).control(EntryKind::release, region, 0);
  touch(*peer);
}

Result<Region*> OfiFabric::bounds(RegionId id, std::size_t offset, std::size_t bytes) {
  const auto found = regions_.find(raw(id));
  if (found == regions_.end() || !found->second.exposed)
    return fail(Code::invalid, fmt::format("region {} is not exposed", raw(id)));
  Region& region = found->second;
  if (offset > region.memory.bytes().size() || bytes > region.memory.bytes().size() - offset)
    return fail(Code::invalid,
                fmt::format("{} bytes at {} are out of bounds of region {} with {} bytes", bytes,
                            offset, raw(id), region.memory.bytes().size()));
  return &region;
}

void OfiFabric::queue_push(RegionId id, Region& mine, const Region::Importer& importer,
                           std::size_t offset, std::size_t bytes, Lane lane, TokenIndex token) {
  // The importer asked for the first bytes only; a push past them is only its token.
  const std::size_t end = std::min<std::size_t>(offset + bytes, importer.bytes);
  offset = std::min(offset, end);
  if (offset == end && token == 0) return;
  Peer& peer = *find(importer.peer);
  const WriteLimits written = transport_->write_limits(lane);
  const bool writes = importer.target && written.allow(end - offset) &&
                      mine.memory.writable_from(*transport_->writes());
  for (std::size_t step = 0;; offset += step) {
    step = std::min(end - offset, entry_bytes);
    const TokenIndex last = offset + step == end ? token : 0;
    if (writes && written.allow(step))
      batch(peer, lane)
          .write(id, offset, mine.memory.bytes().subspan(offset, step),
                 {*importer.target, mine.memory.descriptor()}, last);
    else
      batch(peer, lane).push(id, offset, mine.memory.bytes().subspan(offset, step), last);
    if (offset + step == end) break;
  }
  touch(peer);
}

Result<> OfiFabric::push(RegionId id, std::size_t offset, std::size_t bytes, Lane lane,
                         Token token) {
  const auto region = bounds(id, offset, bytes);
  if (!region) return tl::unexpected(region.error());
  const auto& importers = (*region)->importers;
  if (importers.empty()) {
    if (token != fabric::no_token) ready(Event::Kind::completed, PeerId{}).token = token;
    return {};
  }
  const TokenIndex index = tokens_.add(token, static_cast<std::uint32_t>(importers.size()));
  for (const auto& importer : importers)
    queue_push(id, **region, importer, offset, bytes, lane, index);
  return {};
}

Result<> OfiFabric::push_to(PeerId id, RegionId region_id, std::size_t offset, std::size_t bytes,
                            Lane lane, Token token) {
  const auto region = bounds(region_id, offset, bytes);
  if (!region) return tl::unexpected(region.error());
  Peer* peer = find(id);
  if (peer == nullptr || !peer->live())
    return fail(Code::lost, fmt::format("peer {} is lost", static_cast<std::uint32_t>(id)));
  for (const auto& importer : (*region)->importers) {
    if (importer.peer != id) continue;
    queue_push(region_id, **region, importer, offset, bytes, lane, tokens_.add(token, 1));
    return {};
  }
  return fail(Code::invalid,
              fmt::format("peer {} has not imported region {}", static_cast<std::uint32_t>(id),
                          raw(region_id)),
              "push after its attached event");
}

// --- turning

void OfiFabric::touch(Peer& peer) {
  if (peer.dirty) return;
  peer.dirty = true;
  dirty_.push_back(peer.id);
}

/// Sends what the peer's lanes have room for. False: something is left.
bool OfiFabric::pump(Peer& peer) {
  bool empty = true;
  for (const Lane lane : lanes) {
    Batch& queued = batch(peer, lane);
    while (!queued.empty()) {
      const bool writes = queued.write_is_next();
      Wire* wire =
          writes ? transport_->begin_write(peer.id, lane) : transport_->begin(peer.id, lane);
      if (wire == nullptr) break;
      if (writes)
        queued.build_write(transport_->write_limits(lane).most, *wire);
      else
        queued.build(transport_->limits(lane), transport_->header(peer.id, lane), *wire);
      if (wire->reference_count != 0) ++peer.referring[static_cast<std::size_t>(lane)];
      transport_->send(peer.id, lane, wire);
    }
    empty = empty && queued.empty();
  }
  return empty;
}

void OfiFabric::flush() {
  for (std::size_t i = 0; i < dirty_.size();) {
    Peer* peer = find(dirty_[i]);
    if (peer != nullptr && peer->live() && !pump(*peer)) {
      ++i;
      continue;
    }
    if (peer != nullptr) peer->dirty = false;
    dirty_[i] = dirty_.back();
    dirty_.pop_back();
  }
}

std::size_t OfiFabric::poll(std::span<Event> events) {
  progressed_ = false;
  if (next_ready_ == ready_.size()) {
    ready_.clear();
    texts_.clear();
    next_ready_ = 0;
    transport_->release();
  }
  if (ready_.size() - next_ready_ < events.size()) {
    progressed_ = transport_->poll(*this, message_room, Monotonic::now());
    if (progressed_ && !dirty_.empty()) flush();
    if (!retired_.empty()) let_go();
  }
  const std::size_t count = std::min(events.size(), ready_.size() - next_ready_);
  std::copy_n(ready_.begin() + static_cast<std::ptrdiff_t>(next_ready_), count, events.begin());
  next_ready_ += count;
  if (Queue& queue = transport_->queue(); queue.armed()) {
    queue.polled();
    if (next_ready_ != ready_.size()) queue.wake();
  }
  return count;
}

void OfiFabric::arm() {
  transport_->queue().arm();
  if (next_ready_ != ready_.size()) wake();
}

bool OfiFabric::wait_beside(int descriptor, Time until) {
  if (next_ready_ != ready_.size()) return false;
  return transport_->queue().wait_beside(descriptor, std::min(until, transport_->deadline()));
}

fabric::Event& OfiFabric::ready(Event::Kind kind, PeerId peer) {
  Event& next = ready_.emplace_back();
  next.kind = kind;
  next.peer = peer;
  return next;
}

void OfiFabric::done(TokenIndex token, bool ok) {
  const auto finished = tokens_.done(token, ok);
  if (!finished) return;
  Event& event = ready(Event::Kind::completed, PeerId{});
  event.token = finished->token;
  event.ok = finished->ok;
}

void OfiFabric::on_up(PeerId id) {
  Peer* peer = find(id);
  if (peer == nullptr || peer->state != Peer::State::connecting) return;
  peer->state = Peer::State::up;
  ready(Event::Kind::connected, id);
  if (!pump(*peer)) touch(*peer);
}

void OfiFabric::on_down(PeerId id, std::string why) {
  if (Peer* peer = find(id)) lose(*peer, std::move(why));
}

bool OfiFabric::on_wire(PeerId id, Lane lane, Bytes wire) {
  Peer* peer = find(id);
  if (peer == nullptr || !peer->live()) return false;
  Landed receiver(*this, *peer, lane);
  if (auto applied = apply_message(wire, lane, receiver); !applied) {
    lose(*peer, applied.error().what);
    return false;
  }
  return receiver.keep();
}

void OfiFabric::on_sent(PeerId id, Lane lane, Wire& wire) {
  for (const TokenIndex token : wire.tokens) done(token, true);
  wire.tokens.clear();
  if (wire.reference_count == 0) return;
  // Sends of one lane complete in their order.
  if (Peer* peer = find(id)) ++peer->referred[static_cast<std::size_t>(lane)];
}

}  // namespace squall::ofi
