#include "providers/shm/shm_door.h"

#include <algorithm>
#include <cerrno>

#include "core/base/log.h"

namespace squall::shm {

Result<Door> Door::open(std::string_view address, Waiter& waiter, ReadyTag listener_tag) {
  Door door;
  auto listener = listen_at(address);
  if (!listener) return tl::unexpected(listener.error());
  door.listener_ = std::move(*listener);
  door.listener_tag_ = listener_tag;
  if (auto added = waiter.add_socket(door.listener_, listener_tag); !added)
    return tl::unexpected(added.error());
  return door;
}

void Door::drop(Waiter& waiter, std::size_t index, std::string_view why) {
  log(Level::info, "shm: a stranger ({}) is turned away: {}", peer_text(strangers_[index].socket),
      why);
  waiter.remove(strangers_[index].socket);
  strangers_.erase(strangers_.begin() + static_cast<std::ptrdiff_t>(index));
}

void Door::make_room(Waiter& waiter) {
  const auto silent = std::find_if(strangers_.begin(), strangers_.end(),
                                   [](const Stranger& s) { return !s.hello; });
  const auto index = silent == strangers_.end() ? 0 : silent - strangers_.begin();
  drop(waiter, static_cast<std::size_t>(index), "too many wait at the door");
}

void Door::accept(Waiter& waiter, ReadyTag stranger_tag, Time now) {
  for (std::size_t i = 0; i < max_strangers; ++i) {
    Stranger stranger;
    const int error = accept_from(listener_, stranger.socket);
    if (error == EINTR || error == ECONNABORTED) continue;
    if (error == EAGAIN) return;
    if (error != 0) {
      // No descriptors left. The connection stays queued, so do not spin on it.
      log(Level::warning,
          "shm: cannot accept connections (errno {}): is the limit of open files "
          "too low?",
          error);
      waiter.pause(listener_, listener_tag_, true);
      paused_until_ = now + 100ms;
      return;
    }
    if (strangers_.size() >= max_strangers) make_room(waiter);
    stranger.serial = next_serial_++;
    stranger.deadline = now + patience;
    if (!waiter.add_socket(stranger.socket, stranger_tag + stranger.serial)) continue;
    strangers_.push_back(std::move(stranger));
  }
}

bool Door::hear(Waiter& waiter, std::uint32_t serial) {
  const auto found = std::find_if(strangers_.begin(), strangers_.end(),
                                  [&](const Stranger& s) { return s.serial == serial; });
  if (found == strangers_.end()) return false;
  const auto index = static_cast<std::size_t>(found - strangers_.begin());
  if (found->hello) {
    drop(waiter, index, "it left, or spoke again before it was answered");
    return false;
  }
  const Received received = receive_packet(found->socket, found->packet);
  if (received == Received::nothing) return false;
  if (received == Received::packet) found->hello = parse_hello(found->packet.view());
  if (!found->hello)
    drop(waiter, index, "it did not say hello");
  else
    return true;
  return false;
}

std::optional<Guest> Door::take(Waiter& waiter, const fabric::Ticket& ticket) {
  for (std::size_t i = 0; i < strangers_.size(); ++i) {
    Stranger& stranger = strangers_[i];
    if (!stranger.hello || !same(stranger.hello->ticket, ticket)) continue;
    waiter.remove(stranger.socket);
    Guest guest{std::move(stranger.socket), *stranger.hello, std::move(stranger.packet)};
    strangers_.erase(strangers_.begin() + static_cast<std::ptrdiff_t>(i));
    return guest;
  }
  return std::nullopt;
}

void Door::expire(Waiter& waiter, Time now) {
  while (!strangers_.empty() && strangers_.front().deadline <= now)
    drop(waiter, 0, strangers_.front().hello ? "nobody expected its ticket" : "it said nothing");
  if (now >= paused_until_) {
    waiter.pause(listener_, listener_tag_, false);
    paused_until_ = never;
  }
}

Time Door::deadline() const {
  return strangers_.empty() ? paused_until_ : std::min(paused_until_, strangers_.front().deadline);
}

}  // namespace squall::shm
