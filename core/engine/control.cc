#include "core/engine/control.h"

#include <algorithm>
#include <cstring>

#include "core/base/assert.h"
#include "core/base/copy.h"

namespace squall::engine {
namespace {

constexpr Duration dial_interval = std::chrono::milliseconds(50);
// Not of any view: the connection is the pair's.
constexpr ViewId no_view{};
// What an application posts begins with its kind, and the channel behind the first 16 bits.
constexpr int channel_shift = 16;
constexpr std::uint64_t post_head(std::uint16_t channel) {
  return std::uint64_t{channel} << channel_shift | static_cast<std::uint64_t>(Control::Kind::post);
}

}  // namespace

Control::~Control() {
  for (Link& link : links_) drop(link);
  for (Link& link : former_) drop(link);
}

void Control::move_to(const View& view, Rank self, std::span<const Contact> contacts, Time now) {
  std::vector<Link> old = std::move(links_);
  links_.clear();
  links_.resize(view.size());
  for (Rank rank = 0; rank < view.size(); ++rank) {
    Link& link = links_[rank];
    const auto known = std::ranges::find_if(
        old, [&](const Link& other) { return is_same(other.member, view.members[rank]); });
    if (known != old.end()) {
      link = *known;
      *known = {};
    }
    link.member = view.members[rank];
    link.contact = contacts[rank];
    if (rank != self && !link.id && link.dial_at == never) dial(link, now);
  }
  for (Link& link : former_) drop(link);
  former_.clear();
  for (const Link& link : old)
    if (link.id) former_.push_back(link);
}

void Control::dial(Link& link, Time now) {
  link.dial_at = never;
  auto peer = fabric_.connect(link.contact.fabric_address,
                              ticket_for(link.contact, Purpose::control, no_view));
  if (peer)
    link.id = *peer;
  else
    link.dial_at = now + dial_interval;
}

void Control::drop(Link& link) {
  if (!link.id) return;
  fabric_.disconnect(*link.id);
  fabric_.forget(*link.id);
  link.id.reset();
  link.up = false;
}

const Control::Link* Control::find(fabric::PeerId peer) const {
  for (const auto* links : {&links_, &former_})
    for (const Link& link : *links)
      if (link.id == peer) return &link;
  return nullptr;
}

std::optional<Rank> Control::rank_of(fabric::PeerId peer) const {
  for (Rank rank = 0; rank < links_.size(); ++rank)
    if (links_[rank].id == peer) return rank;
  return std::nullopt;
}

void Control::connected(fabric::PeerId peer) {
  if (Link* link = find(peer)) {
    link->up = true;
    link->broken.clear();
  }
}

void Control::lost(fabric::PeerId peer, std::string_view reason, Time now) {
  Link* link = find(peer);
  if (link == nullptr) return;
  const bool member = rank_of(peer).has_value();
  drop(*link);
  link->broken = reason;
  if (member) link->dial_at = now + dial_interval;
}

Time Control::turn(Time now) {
  Time next = never;
  for (Link& link : links_) {
    if (link.dial_at <= now) dial(link, now);
    next = std::min(next, link.dial_at);
  }
  return next;
}

bool Control::send(Link& link, fabric::Lane lane, Bytes head, Bytes rest) {
  if (!link.up) return false;
  const std::size_t bytes = head.size() + rest.size();
  const auto write = [&](std::byte* to) {
    copy_words(to, head.data(), head.size());
    copy_words(to + head.size(), rest.data(), rest.size());
  };
  if (bytes <= inline_bytes_) [[likely]] {
    if (scratch_.size() < bytes) scratch_.resize(bytes);
    write(scratch_.data());
    return fabric_.send(*link.id, lane, Bytes(scratch_).first(bytes)).has_value();
  }
  std::vector<std::byte> message(bytes);
  write(message.data());
  const auto& kept = leaving_.emplace(++next_token_, std::move(message)).first->second;
  const bool sent = fabric_.send(*link.id, lane, kept, next_token_).has_value();
  if (!sent) leaving_.erase(next_token_);
  return sent;
}

void Control::send(Rank rank, Kind kind, Bytes message) {
  static_cast<void>(send(links_[rank], fabric::Lane::urgent, kind, message));
}

void Control::send_quietly(Rank rank, Kind kind, Bytes message) {
  const Link& link = links_[rank];
  if (!link.up) return;
  SQUALL_ASSERT(message.size() < scratch_.size(), "what wakes nobody is short");
  scratch_.front() = static_cast<std::byte>(kind);
  std::ranges::copy(message, scratch_.begin() + 1);
  static_cast<void>(fabric_.send_quietly(*link.id, fabric::Lane::urgent,
                                         Bytes(scratch_).first(1 + message.size())));
}

void Control::send(fabric::PeerId peer, Kind kind, Bytes message) {
  if (Link* link = find(peer)) static_cast<void>(send(*link, fabric::Lane::urgent, kind, message));
}

Control::Link* Control::find(const Member& member) {
  for (Link& link : links_)
    if (is_same(link.member, member)) return &link;
  return nullptr;
}

bool Control::send_bulk(const Member& to, Kind kind, Bytes message) {
  Link* const link = find(to);
  return link != nullptr && send(*link, fabric::Lane::bulk, kind, message);
}

bool Control::post(const Member& to, std::uint16_t channel, Bytes message) {
  Link* const link = find(to);
  const std::uint64_t head = post_head(channel);
  return link != nullptr &&
         send(*link, fabric::Lane::bulk, std::as_bytes(std::span(&head, 1)), message);
}

std::optional<std::uint16_t> Control::channel_of_post(Bytes message) {
  std::uint64_t head = 0;
  if (message.size() < sizeof head) return std::nullopt;
  std::memcpy(&head, message.data(), sizeof head);
  const auto channel = static_cast<std::uint16_t>(head >> channel_shift);
  if (head != post_head(channel)) return std::nullopt;
  return channel;
}

}  // namespace squall::engine
