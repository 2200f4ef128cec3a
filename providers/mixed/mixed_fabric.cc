#include "providers/mixed/mixed_fabric.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/assert.h"
#include "providers/mixed/mixed_address.h"

namespace squall::mixed {

using fabric::Event;
using fabric::PeerId;
using fabric::Token;

namespace {

constexpr std::size_t events_at_once = 64;
// Children have deadlines of their own, of which nobody hears: connections that never come.
constexpr Duration longest_sleep = std::chrono::milliseconds(100);
// Where one of them cannot be slept on.
constexpr Duration nap = std::chrono::milliseconds(5);

fabric::Capabilities common(const Children& children) {
  fabric::Capabilities all = children.front()->capabilities();
  all.maps = false;
  all.moves = true;
  // Objects go by the first of these.
  const auto network =
      std::ranges::find_if(children, [](const auto& child) { return !child->capabilities().maps; });
  all.writes = (*network)->capabilities().writes;
  for (const auto& child : children) {
    const fabric::Capabilities& one = child->capabilities();
    all.lends |= one.lends;
    all.can_wait &= one.can_wait;
    all.detects_loss &= one.detects_loss;
    all.max_message_bytes = std::min(all.max_message_bytes, one.max_message_bytes);
    all.inline_bytes = std::min(all.inline_bytes, one.inline_bytes);
  }
  all.max_message_bytes -= Header::wire_bytes;
  // Every message is copied when it is sent; of pushes the children decide.
  return all;
}

}  // namespace

std::string address_of(std::string_view host, const Children& children) {
  Address address{host_digest(host), {}};
  for (const auto& child : children)
    address.parts.push_back({std::string(child->name()), child->address()});
  return encode(address);
}

Result<std::unique_ptr<fabric::Fabric>> make(std::string name, std::string_view host,
                                             Children children) {
  const auto maps = [](const auto& child) { return child->capabilities().maps; };
  if (children.empty() || std::ranges::all_of(children, maps))
    return fail(Code::invalid, "a mix of fabrics of which none moves memory over a network",
                "add tcp to it");
  const std::string address = address_of(host, children);
  if (!decode_address(address))
    return fail(Code::invalid, "these fabrics have no address together",
                "name each of them once, and not so many");
  std::vector<int> descriptors;
  for (const auto& child : children) descriptors.push_back(child->fd());
  auto waiter = Waiter::create(descriptors);
  if (!waiter) return tl::unexpected(waiter.error());
  return std::make_unique<MixedFabric>(std::move(name), host, std::move(children),
                                       std::move(*waiter));
}

MixedFabric::MixedFabric(std::string name, std::string_view host, Children children, Waiter waiter)
    : name_(std::move(name)),
      host_(host_digest(host)),
      address_(address_of(host, children)),
      waiter_(std::move(waiter)),
      capabilities_(common(children)) {
  for (auto& child : children) {
    const bool maps = child->capabilities().maps;
    children_.push_back({std::move(child), maps});
  }
  taken_.resize(events_at_once);
}

MixedFabric::~MixedFabric() {
  // Landings lie in memory of the first links' fabrics, which are the first children: those that
  // still write there go before.
  while (!children_.empty()) children_.pop_back();
}

Peer* MixedFabric::find(PeerId id) const {
  const auto index = static_cast<std::size_t>(id);
  return index < peers_.size() ? peers_[index].get() : nullptr;
}

Peer* MixedFabric::live(PeerId id) const {
  Peer* peer = find(id);
  return peer != nullptr && peer->state == Peer::State::live ? peer : nullptr;
}

// --- tokens

Token MixedFabric::issue(const Event& event, std::size_t children) {
  tickets_.emplace(++last_token_, Ticket{event, children});
  return last_token_;
}

void MixedFabric::give_back(Token token, bool ok) {
  const auto found = tickets_.find(token);
  if (found == tickets_.end()) return;
  Ticket& ticket = found->second;
  ticket.event.ok &= ok;
  if (--ticket.left > 0) return;
  const Event event = ticket.event;
  tickets_.erase(found);
  if (event.token != fabric::no_token) emit(event);
}

// --- turning

void MixedFabric::flush() {
  if (!busy_.empty()) pump_busy();
  for (Child& child : children_) child.fabric->flush();
}

std::size_t MixedFabric::poll(std::span<Event> events) {
  room_ = events;
  count_ = 0;
  progressed_ = more_ = false;
  ++looks_;
  if (!spoken_.empty()) spoken_.clear();
  if (!asked_.empty() && pending_.empty()) answer_asked();
  if (!pending_.empty()) take_pending();
  for (std::size_t i = 0; i < children_.size(); ++i) {
    const std::size_t room = std::min(events.size() - count_, taken_.size());
    more_ |= room == 0;
    // Even without room: what it lands is looked at all the same.
    Child& child = children_[(first_child_ + i) % children_.size()];
    const std::size_t count = child.fabric->poll(std::span(taken_).first(room));
    progressed_ |= child.fabric->progressed();
    more_ |= count == room;
    for (std::size_t at = 0; at < count; ++at) handle(child, taken_[at]);
  }
  first_child_ = first_child_ + 1 < children_.size() ? first_child_ + 1 : 0;
  if (unsettled_) [[unlikely]]
    watch(Monotonic::now());
  if (!busy_.empty()) pump_busy();
  if (std::exchange(dirty_, false))
    for (Child& child : children_) child.fabric->flush();
  room_ = {};
  if (armed_ && has_more()) waiter_.wake();
  return count_;
}

/// A reason not to sleep.
bool MixedFabric::has_more() const {
  return more_ || !pending_.empty() || !asked_.empty();
}

void MixedFabric::emit(const Event& event) {
  if (pending_.empty() && count_ < room_.size()) [[likely]] {
    room_[count_++] = event;
    return;
  }
  pending_.push_back({event, {event.bytes.begin(), event.bytes.end()}, std::string(event.text)});
  if (armed_ && room_.empty()) waiter_.wake();
}

void MixedFabric::emit_owned(Event event, std::vector<std::byte> bytes, std::string text) {
  Pending& kept = spoken_.emplace_back(Pending{event, std::move(bytes), std::move(text)});
  event.bytes = kept.bytes;
  event.text = kept.text;
  emit(event);
}

void MixedFabric::take_pending() {
  while (count_ < room_.size() && !pending_.empty()) {
    Pending& kept = spoken_.emplace_back(std::move(pending_.front()));
    pending_.pop_front();
    kept.event.bytes = kept.bytes;
    kept.event.text = kept.text;
    room_[count_++] = kept.event;
  }
}

void MixedFabric::handle(Child& child, const Event& event) {
  using Kind = Event::Kind;
  if (event.kind == Kind::completed) return give_back(event.token, event.ok);
  const auto number = static_cast<std::size_t>(event.peer);
  if (number >= child.owners.size()) return;
  const auto [id, link] = child.owners[number];
  Peer* peer = live(id);
  // What came before the link was lost here and was taken in the same poll counts no more.
  if (peer == nullptr || peer->pair.state(link) == Pair::LinkState::lost) return;
  switch (event.kind) {
    case Kind::connected:
      peer->pair.came_up(link, Monotonic::now());
      unsettled_ = true;
      return join(*peer);
    case Kind::lost:
      return lose_link(*peer, link, event.text);
    case Kind::attached: {
      note_attached(*peer, link, event.region);
      Event told = event;
      told.peer = id;
      return emit(told);
    }
    case Kind::message:
      return on_frame(*peer, link, event.lane, event.bytes);
    case Kind::completed:
      break;
  }
}

/// Pairs whose better links had their chance.
void MixedFabric::watch(Time now) {
  unsettled_ = false;
  for (const auto& peer : peers_) {
    if (peer == nullptr || peer->state != Peer::State::live) continue;
    while (peer->state == Peer::State::live) {
      const auto link = peer->pair.overdue(now);
      if (!link) break;
      lose_link(*peer, *link, "it did not come up while another did");
    }
    unsettled_ |= peer->state == Peer::State::live && peer->pair.deadline() != never;
  }
}

bool MixedFabric::message_waits() const {
  return std::ranges::any_of(children_,
                             [](const Child& child) { return child.fabric->message_waits(); });
}

// --- sleeping

void MixedFabric::arm() {
  armed_ = true;
  looks_ = 0;
  for (Child& child : children_) child.fabric->arm();
}

void MixedFabric::disarm() {
  armed_ = false;
  for (Child& child : children_) child.fabric->disarm();
}

void MixedFabric::wait(Time until) {
  // A child that was polled again since it was told does not wake any more.
  const bool sleeps = !has_more() && looks_ <= 1;
  const Time now = Monotonic::now();
  until = std::min(until, now + (capabilities_.can_wait ? longest_sleep : nap));
  waiter_.sleep(sleeps ? until : Time{});
  // They take note of what woke this one.
  for (Child& child : children_) child.fabric->wait(Time{});
}

}  // namespace squall::mixed
