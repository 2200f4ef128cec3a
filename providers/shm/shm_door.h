#pragma once
// The door: where connections come in, and where strangers wait until this node expects their
// ticket. A stranger may hold one slot of `max_strangers` for `patience`; when all are taken, the
// one that has been silent longest goes. One thread.

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/base/time.h"
#include "providers/shm/shm_socket.h"
#include "providers/shm/shm_wait.h"
#include "providers/shm/shm_wire.h"

namespace squall::shm {

/// Someone who said hello.
struct Guest {
  Fd socket;  ///< no longer in the waiter
  Hello hello;
  Packet packet;  ///< the hello's, with its descriptors
};

class Door {
 public:
  static constexpr std::size_t max_strangers = 64;
  static constexpr Duration patience = 3s;

  static Result<Door> open(std::string_view address, Waiter& waiter, ReadyTag listener_tag);

  /// The listener is ready. Strangers get the tags `stranger_tag` + their serial number.
  void accept(Waiter& waiter, ReadyTag stranger_tag, Time now);
  /// A stranger is ready: it said something, or left. True if it said hello.
  bool hear(Waiter& waiter, std::uint32_t serial);
  /// Who came with this ticket, if someone did.
  std::optional<Guest> take(Waiter& waiter, const fabric::Ticket& ticket);
  /// Drops who waited too long, and listens again after a shortage of descriptors.
  void expire(Waiter& waiter, Time now);
  /// When `expire` has something to do next.
  Time deadline() const;
  std::size_t strangers() const { return strangers_.size(); }

 private:
  struct Stranger {
    std::uint32_t serial = 0;
    Time deadline{};
    Fd socket;
    std::optional<Hello> hello;
    Packet packet;
  };

  void drop(Waiter& waiter, std::size_t index, std::string_view why);
  void make_room(Waiter& waiter);

  Fd listener_;
  ReadyTag listener_tag_ = 0;
  Time paused_until_ = never;
  std::vector<Stranger> strangers_;  ///< oldest first
  std::uint32_t next_serial_ = 0;
};

}  // namespace squall::shm
