#include "providers/shm/shm_fabric.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/ids.h"

namespace squall::shm {

using fabric::Event;
using fabric::Lane;
using fabric::PeerId;
using fabric::RegionId;
using fabric::Token;

namespace {

constexpr Duration busy_look = 1ms;    ///< how often a busy poll looks at the sockets
constexpr Duration eager_look = 20us;  ///< the same while introductions are under way
constexpr int max_stretch = 64;        ///< polls between two readings of the clock, at most

tl::unexpected<Error> no_peer(PeerId peer) {
  return fail(Code::lost, fmt::format("peer {} is not connected", static_cast<unsigned>(peer)));
}

}  // namespace

MutableBytes ShmFabric::Arena::take(std::size_t bytes) {
  static_assert(chunk_bytes >= max_message_bytes);
  if (current_ < chunks_.size() && used_ + bytes > chunk_bytes) {
    ++current_;
    used_ = 0;
  }
  if (current_ == chunks_.size())
    chunks_.push_back(std::make_unique_for_overwrite<std::byte[]>(chunk_bytes));
  const MutableBytes taken(chunks_[current_].get() + used_, bytes);
  used_ += bytes;
  return taken;
}

void ShmFabric::Arena::clear() {
  // A burst of large messages does not stay resident.
  if (chunks_.size() > 2) chunks_.resize(2);
  current_ = 0;
  used_ = 0;
}

// --- what the user asks for

Peer* ShmFabric::find(PeerId id) const {
  const auto index = static_cast<std::size_t>(id);
  return index < peers_.size() ? peers_[index].get() : nullptr;
}

Result<> ShmFabric::refuse(PeerId id, const Peer* peer, std::size_t bytes) {
  if (peer == nullptr || peer->state > Peer::State::up) return no_peer(id);
  if (bytes > max_message_bytes)
    return fail(Code::too_large,
                fmt::format("a message of {} bytes; shm carries {}", bytes, max_message_bytes));
  return fail(Code::would_block, "not connected yet");
}

Result<> ShmFabric::write(PeerId id, Lane lane, Bytes message, Peer*& peer) {
  peer = find(id);
  if (peer == nullptr || peer->state != Peer::State::up || message.size() > max_message_bytes)
      [[unlikely]]
    return refuse(id, peer, message.size());
  const auto index = static_cast<std::size_t>(lane);
  switch (peer->senders[index].send(message)) {
    case MessageSender::Outcome::sent:
      break;
    case MessageSender::Outcome::full:
      peer->blocked[index] = true;
      return fail(Code::would_block, "the lane is full");
    case MessageSender::Outcome::broken:
      lose(*peer, "it broke the protocol: its count of received bytes cannot be", true);
      return no_peer(id);
  }
  peer->blocked[index] = false;
  return {};
}

Result<> ShmFabric::send(PeerId id, Lane lane, Bytes message, Token token) {
  Peer* peer = nullptr;
  auto written = write(id, lane, message, peer);
  if (!written) return written;
  peer->must_ring = true;
  dirty_ = true;
  if (token != fabric::no_token) complete(token, lane, RegionId{}, peer);
  return written;
}

Result<> ShmFabric::send_quietly(PeerId id, Lane lane, Bytes message) {
  Peer* peer = nullptr;
  return write(id, lane, message, peer);
}

const ShmFabric::Exposed* ShmFabric::find_region(RegionId id) {
  if (last_exposed_ < exposed_.size() && exposed_[last_exposed_].id == id) [[likely]]
    return &exposed_[last_exposed_];
  for (std::size_t i = 0; i < exposed_.size(); ++i) {
    if (exposed_[i].id != id) continue;
    last_exposed_ = i;
    return &exposed_[i];
  }
  return nullptr;
}

Result<> ShmFabric::check_push(RegionId id, std::size_t offset, std::size_t bytes) {
  const Exposed* region = find_region(id);
  if (region == nullptr) [[unlikely]]
    return fail(Code::invalid, fmt::format("region {} is not exposed", raw(id)));
  if (offset > region->bytes || bytes > region->bytes - offset) [[unlikely]]
    return fail(Code::invalid, fmt::format("a push of {} bytes at {} in region {} of {} bytes",
                                           bytes, offset, raw(id), region->bytes));
  return {};
}

void ShmFabric::complete(Token token, Lane lane, RegionId region, const Peer* peer) {
  completions_.push_back(
      {token, lane, region, peer != nullptr ? peer->id : PeerId{}, peer != nullptr, losses_});
}

Result<> ShmFabric::push(RegionId region, std::size_t offset, std::size_t bytes, Lane lane,
                         Token token) {
  if (auto checked = check_push(region, offset, bytes); !checked) [[unlikely]]
    return checked;
  pushed_ = dirty_ = true;
  if (token != fabric::no_token) complete(token, lane, region, nullptr);
  return {};
}

Result<> ShmFabric::push_to(PeerId id, RegionId region, std::size_t offset, std::size_t bytes,
                            Lane lane, Token token) {
  if (auto checked = check_push(region, offset, bytes); !checked) return checked;
  Peer* peer = find(id);
  if (peer == nullptr || peer->state > Peer::State::up) return no_peer(id);
  peer->must_ring = peer->state == Peer::State::up;
  dirty_ = true;
  if (token != fabric::no_token) complete(token, lane, region, peer);
  return {};
}

// --- turning

void ShmFabric::flush() {
  if (!dirty_) return;
  // Pairs with the fence in Waiter::arm: either the peer is seen asleep, or it sees the stores.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  for (Peer* peer : turning_) {
    if (peer->state != Peer::State::up) continue;
    if (peer->must_ring || (pushed_ && !peer->granted.empty())) peer->ring_if_asleep();
    peer->must_ring = false;
  }
  dirty_ = pushed_ = false;
}

std::size_t ShmFabric::poll(std::span<Event> events) {
  progressed_ = false;
  if (taken_) {
    arena_.clear();
    taken_ = false;
  }
  if (!spoken_.empty()) [[unlikely]]
    spoken_.clear();
  const bool sockets_due = waiter_.note_poll();
  if (--polls_left_ <= 0 || sockets_due) [[unlikely]]
    look_at_clock(sockets_due);

  std::size_t count = 0;
  if (!pending_.empty() || !completions_.empty()) [[unlikely]]
    count = emit(events);
  // Only when all news is out: `connected` comes before that peer's first message.
  if (count < events.size()) count += take_messages(events.subspan(count));
  if (draining_ > 0) [[unlikely]]
    end_drained();
  return count;
}

/// Reads the clock once a stretch of polls, and looks at the sockets when it is time. The stretch
/// adapts, so that both a poll of nanoseconds and one of milliseconds look about as often.
void ShmFabric::look_at_clock(bool sockets_due) {
  const Time now = Monotonic::now();
  const Duration took = now - last_clock_;
  last_clock_ = now;
  if (took > busy_look / 2) {
    stretch_ = std::max(1, stretch_ / 8);
  } else if (took < busy_look / 8) {
    stretch_ = std::min(eager_ ? 4 : max_stretch, stretch_ * 2);
  }
  polls_left_ = stretch_;
  if (sockets_due || now - last_service_ >= (eager_ ? eager_look : busy_look)) service(now);
}

std::size_t ShmFabric::emit(std::span<Event> events) {
  std::size_t count = 0;
  while (count < events.size() && !pending_.empty()) {
    Pending& next = pending_.front();
    events[count] = next.event;
    if (!next.text.empty()) events[count].text = spoken_.emplace_back(std::move(next.text));
    ++count;
    pending_.pop_front();
  }
  while (count < events.size() && first_completion_ < completions_.size()) {
    const Completion& done = completions_[first_completion_++];
    const Peer* peer = done.one_peer ? find(done.peer) : nullptr;
    const bool ok = done.one_peer ? peer != nullptr && peer->state <= Peer::State::up
                                  : done.losses_before == losses_;
    events[count++] = Event{.kind = Event::Kind::completed,
                            .ok = ok,
                            .lane = done.lane,
                            .peer = done.peer,
                            .region = done.region,
                            .token = done.token};
  }
  if (first_completion_ == completions_.size()) {
    completions_.clear();
    first_completion_ = 0;
  }
  return count;
}

bool ShmFabric::message_waits() const {
  for (const Peer* peer : turning_)
    for (const MessageReceiver& receiver : peer->receivers)
      if (receiver.pending()) return true;
  return false;
}

std::size_t ShmFabric::take_messages(std::span<Event> events) {
  std::size_t count = 0;
  Peer* broken = nullptr;
  // Urgent of everyone before bulk of anyone.
  for (std::size_t lane = 0; lane < lane_count; ++lane)
    for (Peer* peer : turning_)
      if (peer->receivers[lane].pending() && !take_from(*peer, lane, events, count)) [[unlikely]]
        broken = peer;
  if (count > 0) {
    progressed_ = true;
    // Not all may have been served: another one is the first next time.
    if (count == events.size()) std::ranges::rotate(turning_, turning_.begin() + 1);
  } else if (owes_room_) {
    // Nobody waits for what would follow this poll.
    owes_room_ = false;
    for (Peer* peer : turning_)
      for (std::size_t lane = 0; lane < lane_count; ++lane)
        if (peer->receivers[lane].owes_room()) give_room(*peer, lane);
  }
  if (broken != nullptr) [[unlikely]]
    lose(*broken, "it broke the protocol: a message frame whose length cannot be", true);
  return count;
}

/// False if the peer broke the protocol.
bool ShmFabric::take_from(Peer& peer, std::size_t lane, std::span<Event> events,
                          std::size_t& count) {
  MessageReceiver& receiver = peer.receivers[lane];
  auto outcome = MessageReceiver::Outcome::message;
  while (count < events.size()) {
    std::size_t bytes = 0;
    outcome = receiver.peek(bytes);
    if (outcome != MessageReceiver::Outcome::message) break;
    const MutableBytes copy = arena_.take(bytes);
    taken_ = true;
    receiver.take(copy);
    events[count++] = Event{.kind = Event::Kind::message,
                            .lane = static_cast<Lane>(lane),
                            .peer = peer.id,
                            .bytes = copy};
  }
  if (receiver.release_due())
    give_room(peer, lane);
  else
    owes_room_ = true;
  return outcome != MessageReceiver::Outcome::broken;
}

void ShmFabric::give_room(Peer& peer, std::size_t lane) {
  if (peer.receivers[lane].release() && peer.state == Peer::State::up) peer.ring_if_asleep();
}

/// Peers that hung up are lost once everything they sent has been taken.
void ShmFabric::end_drained() {
  for (std::size_t i = 0; i < turning_.size(); ++i) {
    Peer& peer = *turning_[i];
    if (peer.state != Peer::State::draining) continue;
    if (peer.receivers[0].pending() || peer.receivers[1].pending()) continue;
    lose(peer, peer.drain_reason, false);
    --i;
  }
}

/// Once per lane that was full: a caller that gave the message up may sleep.
bool ShmFabric::room_came() {
  for (Peer* peer : turning_) {
    for (std::size_t lane = 0; lane < lane_count; ++lane) {
      if (!peer->blocked[lane] || !peer->senders[lane].room_came()) continue;
      peer->blocked[lane] = false;
      return true;
    }
  }
  return false;
}

void ShmFabric::wait(Time until) {
  // News that the last poll had no room for.
  if (!pending_.empty() || !completions_.empty() || draining_ > 0 || room_came()) return;
  if (waiter_.wait(std::min(until, deadline()))) polls_left_ = 1;
}

}  // namespace squall::shm
