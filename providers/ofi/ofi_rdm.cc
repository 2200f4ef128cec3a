#include "providers/ofi/ofi_rdm.h"

#include <fmt/format.h>
#include <rdma/fi_errno.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "core/base/log.h"
#include "providers/ofi/ofi_limits.h"
#include "providers/ofi/ofi_survey.h"

namespace squall::ofi {
namespace {

// Shorter than the patience of a failure detector: the heartbeats wait for it.
constexpr Duration greeting_interval = 20ms;
constexpr Duration greeting_held_for = 3s;
constexpr Duration look_interval = 1ms;
constexpr std::size_t landings = 16;
constexpr std::size_t greeting_slots = 64;
constexpr std::array<std::size_t, 2> windows{8, 2};
// What of the bulk lane may lie at a peer that has not taken it yet.
constexpr std::size_t bulk_ahead_bytes = std::size_t{256} << 10;
constexpr std::uint32_t least_bulk_credits = 4;
constexpr std::size_t address_limit = 512;
// Of a message that rxm sends by itself, unless its environment says otherwise (fi_rxm(7),
// FI_OFI_RXM_BUFFER_SIZE).
constexpr std::size_t rxm_eager_bytes = std::size_t{16} << 10;

/// The first contact; travels behind a WireHeader with session 0 and no entries.
struct InBand {
  Ticket ticket{};
  std::uint64_t session = 0;  ///< for messages to whoever sends this greeting
};
static_assert(sizeof(InBand) == 24);

std::uint64_t seed() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) ^ device();
}

}  // namespace

Result<std::unique_ptr<Transport>> RdmTransport::open(std::string_view provider,
                                                      const fabric::Options& options) {
  if (auto fine = check_local_address(options.local_address, Host::here()); !fine)
    return tl::unexpected(fine.error());
  auto domain = Domain::open(provider, FI_EP_RDM, options.local_address);
  if (!domain) return tl::unexpected(domain.error());
  if (auto sends = largest_write(*(*domain)->info(), 0); !sends)
    return tl::unexpected(sends.error());
  const std::uint64_t messages = landings + options.peers * (windows[0] + windows[1]);
  if (auto fits = (*domain)->plan(options.peers, {messages * max_wire_bytes, 0}); !fits)
    return tl::unexpected(fits.error());
  std::unique_ptr<RdmTransport> made(new RdmTransport);
  made->domain_ = std::move(*domain);
  made->random_ = Random(seed());
  const fi_info& info = *made->domain_->info();
  // libfabric's shm reports longer sends in order across all peers: one that died with such a send
  // on its way would hold up the completions of the others for ever.
  if (std::string_view(info.fabric_attr->prov_name) == "shm" && info.tx_attr->inject_size >= 1024)
    made->limits_.block_bytes = std::min(info.tx_attr->inject_size, max_wire_bytes);
  // rxm has longer ones fetched by the receiver, and crashes when a link is closed before the
  // socket has taken the request (fi_inject, whose failed completion names nothing).
  if (std::string_view(info.fabric_attr->prov_name).ends_with(";ofi_rxm"))
    made->limits_.block_bytes = std::min(rxm_eager_bytes, made->limits_.block_bytes);
  made->bulk_credits_ = std::max(
      least_bulk_credits, static_cast<std::uint32_t>(bulk_ahead_bytes / made->limits_.block_bytes));
  auto queue = Queue::open(*made->domain_, false);
  if (!queue) return tl::unexpected(queue.error());
  made->queue_ = std::move(*queue);

  fi_av_attr attributes{};
  attributes.type = FI_AV_UNSPEC;
  fid_av* addresses = nullptr;
  int failed = fi_av_open(made->domain_->domain(), &attributes, &addresses, nullptr);
  if (failed != 0) return fail(Code::unavailable, fi_text("fi_av_open", failed));
  made->addresses_.reset(addresses);
  auto opened = made->greetings_.open(*made->domain_, nullptr, greeting_slots,
                                      sizeof(WireHeader) + sizeof(InBand));
  if (!opened) return tl::unexpected(opened.error());
  opened = made->landings_.open(*made->domain_, nullptr, landings);
  if (!opened) return tl::unexpected(opened.error());

  fid_ep* endpoint = nullptr;
  failed = fi_endpoint(made->domain_->domain(), const_cast<fi_info*>(made->domain_->info()),
                       &endpoint, nullptr);
  if (failed != 0) return fail(Code::unavailable, fi_text("fi_endpoint", failed));
  made->endpoint_.reset(endpoint);
  failed = fi_ep_bind(endpoint, &addresses->fid, 0);
  if (failed == 0) failed = fi_ep_bind(endpoint, &made->queue_->cq()->fid, FI_TRANSMIT | FI_RECV);
  if (failed == 0 && made->domain_->info()->addr_format == FI_ADDR_STR) {
    // libfabric's shm names an endpoint after its process id, which a process in another
    // namespace, or one that was killed, may have taken in /dev/shm before us (FI_EBUSY).
    std::string own = fmt::format("fi_shm://squall-{:016x}", made->random_.next());
    failed = fi_setname(&endpoint->fid, own.data(), own.size() + 1);
    if (failed == -FI_ENOSYS) failed = 0;
  }
  if (failed == 0) failed = fi_enable(endpoint);
  if (failed != 0) return fail(Code::unavailable, fi_text("fi_enable", failed));

  made->address_.resize(address_limit);
  std::size_t bytes = made->address_.size();
  failed = fi_getname(&endpoint->fid, made->address_.data(), &bytes);
  if (failed != 0 || bytes > address_limit)
    return fail(Code::unavailable, fi_text("fi_getname", failed));
  made->address_.resize(bytes);
  for (Landing& landing : made->landings_.all()) made->repost(landing);
  return made;
}

RdmTransport::~RdmTransport() {
  // The endpoint goes before the buffers that it writes to.
  endpoint_.reset();
}

RdmTransport::Link* RdmTransport::link(PeerId peer) {
  const auto found = links_.find(peer);
  return found == links_.end() ? nullptr : found->second.get();
}

Result<> RdmTransport::connect(PeerId peer, std::string_view address, const Ticket& ticket,
                               Time now) {
  if (address.size() != address_.size() && domain_->info()->addr_format != FI_ADDR_STR)
    return fail(Code::invalid,
                fmt::format("a fabric address of {} bytes, this one has {}", address.size(),
                            address_.size()),
                "both ends must be configured with the same fabric");
  if (address.empty() || address.size() > address_limit)
    return fail(Code::invalid, fmt::format("a fabric address of {} bytes", address.size()));
  auto made = std::make_unique<Link>();
  const std::string terminated(address);  // FI_ADDR_STR wants its zero
  const int inserted =
      fi_av_insert(addresses_.get(), terminated.c_str(), 1, &made->address, 0, nullptr);
  if (inserted != 1)
    return fail(Code::invalid, fi_text("the peer's fabric address: fi_av_insert", inserted),
                "both ends must be configured with the same fabric");
  for (std::size_t i = 0; i < made->lanes.size(); ++i) {
    auto opened = made->lanes[i].slots.open(*domain_, made.get(), windows[i], max_wire_bytes);
    if (!opened) return opened;
  }
  made->peer = peer;
  made->ticket = ticket;
  made->until = now + connect_timeout;
  made->credits = bulk_credits_;
  do made->my_session = random_.next();
  while (made->my_session == 0 || sessions_.contains(made->my_session));
  Link& kept = *made;
  sessions_[kept.my_session] = &kept;
  links_[peer] = std::move(made);
  greet(kept, now);
  next_look_ = {};
  return {};
}

void RdmTransport::disconnect(PeerId peer, std::vector<TokenIndex>& tokens) {
  const auto found = links_.find(peer);
  if (found == links_.end()) return;
  std::unique_ptr<Link> dead = std::move(found->second);
  links_.erase(found);
  sessions_.erase(dead->my_session);
  dead->closed = true;
  dead->buried = Monotonic::now() + burial;
  for (LaneSlots& lane : dead->lanes) {
    for (Slot& slot : lane.slots.all()) {
      if (!slot.in_use) continue;
      tokens.insert(tokens.end(), slot.tokens.begin(), slot.tokens.end());
      slot.tokens.clear();
    }
    for (Slot* slot : lane.unsent) lane.slots.give_back(slot);
    lane.unsent.clear();
  }
  for (Inbound& inbound : dead->inbound) {
    for (const auto& early : inbound.early) unposted_.push_back(early.landing);
    inbound.early.clear();
  }
  // Sends cannot be taken back: what the provider still holds lives on with its slots. The
  // address stays in the vector, since the provider may be sending to it.
  closed_.push_back(std::move(dead));
}

void RdmTransport::die(PeerId peer, std::string why) {
  Link* dead = link(peer);
  if (dead == nullptr || dead->reported) return;
  dead->reported = true;
  dying_.push_back({peer, std::move(why)});
}

// --- sending

Wire* RdmTransport::begin(PeerId peer, Lane lane) {
  Link* to = link(peer);
  if (to == nullptr || !to->up || to->reported) return nullptr;
  if (lane == Lane::bulk && to->credits == 0) return nullptr;
  LaneSlots& from = to->lanes[static_cast<std::size_t>(lane)];
  Slot* slot = from.unsent.empty() ? from.slots.take() : nullptr;
  if (slot == nullptr) return nullptr;
  slot->peer = peer;
  slot->lane = lane;
  slot->address = to->address;
  return slot;
}

WireHeader RdmTransport::header(PeerId peer, Lane lane) {
  WireHeader header;
  header.lane = static_cast<std::uint8_t>(lane);
  Link& to = *link(peer);
  header.session = to.peer_session;
  header.sequence = to.lanes[static_cast<std::size_t>(lane)].next_sequence++;
  header.credits = std::exchange(to.owed, 0);
  return header;
}

void RdmTransport::send(PeerId peer, Lane lane, Wire* wire) {
  auto* slot = static_cast<Slot*>(wire);
  Link& to = *link(peer);
  if (lane == Lane::bulk) --to.credits;
  if (!post(slot)) to.lanes[static_cast<std::size_t>(lane)].unsent.push_back(slot);
}

/// Tells the peer what of its bulk was taken, when nothing else has told it yet.
void RdmTransport::give_credits(Link& to) {
  if (to.owed < std::max(1U, bulk_credits_ / 2)) return;
  auto* slot = static_cast<Slot*>(begin(to.peer, Lane::urgent));
  if (slot == nullptr) return;  // a later poll, which a completion brings
  const WireHeader only_credits = header(to.peer, Lane::urgent);
  std::memcpy(slot->block, &only_credits, sizeof only_credits);
  slot->block_bytes = sizeof only_credits;
  slot->reference_count = 0;
  slot->tokens.clear();
  send(to.peer, Lane::urgent, slot);
}

/// False: the provider has no room now.
bool RdmTransport::post(Slot* slot) {
  const bool greeting = slot->owner == nullptr;
  auto* to = static_cast<Link*>(slot->owner);
  Op* context = slot;
  void* descriptor = greeting ? greetings_.descriptor()
                              : to->lanes[static_cast<std::size_t>(slot->lane)].slots.descriptor();
  const long failed =
      fi_send(endpoint_.get(), slot->block, slot->block_bytes, descriptor, slot->address, context);
  if (failed == 0) return true;
  if (failed == -FI_EAGAIN) return false;
  if (!greeting) {
    die(slot->peer, fi_text("fi_send", failed));
    // In use until the link is closed; its tokens come back then.
    return true;
  }
  greetings_.give_back(slot);
  return true;
}

void RdmTransport::retry() {
  for (auto& [peer, to] : links_)
    for (LaneSlots& lane : to->lanes)
      while (!lane.unsent.empty() && post(lane.unsent.front())) lane.unsent.pop_front();
  while (!unposted_.empty()) {
    Landing* landing = unposted_.back();
    unposted_.pop_back();
    const std::size_t before = unposted_.size();
    repost(*landing);
    if (unposted_.size() != before) break;
  }
}

// --- greeting

void RdmTransport::greet(Link& to, Time now) {
  to.next_greeting = now + greeting_interval;
  Slot* slot = greetings_.take();
  if (slot == nullptr) return;
  const WireHeader header;
  const InBand greeting{to.ticket, to.my_session};
  std::memcpy(slot->block, &header, sizeof header);
  std::memcpy(slot->block + sizeof header, &greeting, sizeof greeting);
  slot->block_bytes = sizeof header + sizeof greeting;
  slot->address = to.address;
  slot->peer = to.peer;
  if (!post(slot)) greetings_.give_back(slot);
}

void RdmTransport::greeted(Bytes wire, Sink& sink, Time now) {
  WireHeader header;
  InBand greeting;
  if (wire.size() != sizeof header + sizeof greeting) return;
  std::memcpy(&header, wire.data(), sizeof header);
  std::memcpy(&greeting, wire.data() + sizeof header, sizeof greeting);
  if (header.magic != wire_magic || header.version != wire_version || greeting.session == 0) return;
  for (auto& [peer, from] : links_)
    if (from->ticket == greeting.ticket) return welcome(*from, greeting.session, &sink, now);
  for (Held& held : held_greetings_)
    if (held.ticket == greeting.ticket) {
      held = {greeting.ticket, greeting.session, now + greeting_held_for};
      return;
    }
  if (held_greetings_.size() == most_held) held_greetings_.erase(held_greetings_.begin());
  held_greetings_.push_back({greeting.ticket, greeting.session, now + greeting_held_for});
}

void RdmTransport::welcome(Link& from, std::uint64_t session, Sink* sink, Time now) {
  if (from.reported) return;
  if (from.peer_session != 0) {
    // It greets again because it has not heard us yet; another session would be a replay.
    if (from.peer_session == session && now >= from.next_greeting) greet(from, now);
    return;
  }
  from.peer_session = session;
  greet(from, now);
  from.up = true;
  from.until = never;
  sink->on_up(from.peer);
}

// --- receiving

void RdmTransport::repost(Landing& landing) {
  Op* context = &landing;
  const long failed = fi_recv(endpoint_.get(), landing.data, max_wire_bytes, landings_.descriptor(),
                              FI_ADDR_UNSPEC, context);
  if (failed == 0) return;
  unposted_.push_back(&landing);
  if (failed != -FI_EAGAIN) log(Level::error, "{}", fi_text("fi_recv", failed));
}

void RdmTransport::complete(const Completion& completion, Sink& sink, Time now) {
  if (completion.op == nullptr) return;
  if (!completion.op->is_receive) {
    auto* slot = static_cast<Slot*>(completion.op);
    if (slot->owner == nullptr) return greetings_.give_back(slot);
    auto* to = static_cast<Link*>(slot->owner);
    if (!to->closed) {
      if (completion.error != 0)
        return die(slot->peer, fi_text("a message could not be sent", completion.error));
      sink.on_sent(slot->peer, slot->lane, *slot);
    }
    to->lanes[static_cast<std::size_t>(slot->lane)].slots.give_back(slot);
    return;
  }
  auto& landing = *static_cast<Landing*>(completion.op);
  if (completion.error != 0) return repost(landing);
  received(landing, std::min(completion.bytes, max_wire_bytes), sink, now);
}

/// What nobody here expects is dropped.
void RdmTransport::received(Landing& landing, std::size_t bytes, Sink& sink, Time now) {
  const Bytes wire{landing.data, bytes};
  WireHeader header;
  if (bytes < sizeof header) return repost(landing);
  std::memcpy(&header, wire.data(), sizeof header);
  if (header.session == 0) {
    greeted(wire, sink, now);
    return repost(landing);
  }
  // A message can overtake the greeting that was dropped or is still on its way; who knows the
  // session knew the ticket.
  const auto found = sessions_.find(header.session);
  if (found == sessions_.end() || found->second->reported) return repost(landing);
  Link& from = *found->second;
  if (const auto checked = read_header(wire); !checked) {
    die(from.peer, checked.error().what);
    return repost(landing);
  }
  if (header.lane > 1) {
    die(from.peer, fmt::format("a message on lane {}", header.lane));
    return repost(landing);
  }
  // No more than there are: what a peer claims beyond that does not make us flood it.
  from.credits = std::min(bulk_credits_, from.credits + std::min(bulk_credits_, header.credits));
  take(from, landing, header, bytes, sink);
}

/// Hands a lane's messages on in their order. `sink` may close the link: it is looked up again.
void RdmTransport::take(Link& from, Landing& landing, const WireHeader& header, std::size_t bytes,
                        Sink& sink) {
  const std::uint64_t session = header.session;
  {
    Inbound& inbound = from.inbound[header.lane];
    if (header.sequence != inbound.next_sequence) {
      inbound.early.push_back({header.sequence, &landing, bytes});
      // The one that is missing has a buffer of its own while it is on its way.
      if (inbound.early.size() == landings) die(from.peer, "a message is missing");
      return;
    }
  }
  Landing* next = &landing;
  while (next != nullptr) {
    const bool keep = sink.on_wire(from.peer, static_cast<Lane>(header.lane), {next->data, bytes});
    if (keep)
      held_.push_back(next);
    else
      repost(*next);
    next = nullptr;
    const auto alive = sessions_.find(session);
    if (alive == sessions_.end() || alive->second->reported) return;
    Inbound& inbound = alive->second->inbound[header.lane];
    ++inbound.next_sequence;
    if (static_cast<Lane>(header.lane) == Lane::bulk) ++alive->second->owed;
    for (auto& early : inbound.early) {
      if (early.sequence != inbound.next_sequence) continue;
      next = early.landing;
      bytes = early.bytes;
      early = inbound.early.back();
      inbound.early.pop_back();
      break;
    }
  }
}

bool RdmTransport::poll(Sink& sink, std::size_t room, Time now) {
  retry();
  std::array<Completion, most_completions> completions;
  const std::size_t asked = std::min(room, completions.size());
  const std::size_t count = queue_->read(std::span(completions).first(asked));
  for (std::size_t i = 0; i < count; ++i) complete(completions[i], sink, now);
  if (count != 0)
    for (auto& [peer, from] : links_) give_credits(*from);
  if (now >= next_look_) look_after(sink, now);
  if (!dying_.empty()) {
    const auto dying = std::exchange(dying_, {});
    for (const Dying& dead : dying)
      if (link(dead.peer) != nullptr) sink.on_down(dead.peer, dead.why);
    return true;
  }
  return count != 0;
}

/// What time brings: greetings again, peers that never came, what can be thrown away.
void RdmTransport::look_after(Sink& sink, Time now) {
  next_look_ = now + look_interval;
  std::erase_if(held_greetings_, [&](const Held& held) { return held.until <= now; });
  for (auto& [peer, waiting] : links_) {
    if (waiting->up || waiting->reported) continue;
    if (waiting->until <= now) {
      die(peer, "the peer never came");
      continue;
    }
    const auto held = std::find_if(
        held_greetings_.begin(), held_greetings_.end(),
        [&, &ticket = waiting->ticket](const Held& known) { return known.ticket == ticket; });
    if (held != held_greetings_.end()) {
      const std::uint64_t session = held->session;
      held_greetings_.erase(held);
      welcome(*waiting, session, &sink, now);
    } else if (waiting->next_greeting <= now) {
      greet(*waiting, now);
    }
  }
  std::erase_if(closed_, [&](const auto& dead) {
    if (dead->buried > now) return false;
    for (LaneSlots& lane : dead->lanes)
      for (const Slot& slot : lane.slots.all())
        if (slot.in_use) return false;
    return true;
  });
}

void RdmTransport::release() {
  for (Landing* landing : held_) repost(*landing);
  held_.clear();
}

Time RdmTransport::deadline() const {
  Time soonest = never;
  for (const auto& [peer, waiting] : links_)
    if (!waiting->up && !waiting->reported)
      soonest = std::min({soonest, waiting->until, waiting->next_greeting});
  const bool busy = !unposted_.empty() || std::any_of(links_.begin(), links_.end(), [](auto& at) {
    return !at.second->lanes[0].unsent.empty() || !at.second->lanes[1].unsent.empty();
  });
  // A provider without room does not say when it has some.
  if (busy) soonest = std::min(soonest, Monotonic::now() + 1ms);
  return dying_.empty() ? soonest : Time{};
}

}  // namespace squall::ofi
