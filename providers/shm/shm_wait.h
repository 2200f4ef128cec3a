#pragma once
// Sleeping and being woken. Each node says in one word, in a control segment that its peers map
// read-only, whether it sleeps; peers that pushed or sent look at it and ring. The word counts:
// odd while asleep, and another odd number each time, so that a peer rings once per sleep without
// having to write to us.
//
// No wake-up is lost: the sleeper stores the word, fences, and looks once more; the writer stores
// its data, fences, and loads the word. One of the two sees the other (the store-buffering
// pattern).
//
// Doorbells are eventfds in an edge-triggered epoll: they are never read, so a ring costs the
// sleeper one system call in all.

#include <atomic>
#include <cstdint>
#include <vector>

#include "core/base/error.h"
#include "core/base/time.h"
#include "core/fabric/memory.h"
#include "providers/shm/shm_socket.h"

namespace squall::shm {

inline constexpr std::uint64_t control_magic = 0x314c54432d4d4853;  // "SHM-CTL1"

struct ControlPage {
  std::uint64_t magic;
  alignas(64) std::atomic<std::uint64_t> sleeping;  ///< odd: asleep
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

/// What became ready: a number that the owner chose when it added the descriptor.
using ReadyTag = std::uint64_t;

class Waiter {
 public:
  static Result<Waiter> create();

  const fabric::Memory& control() const { return control_; }
  int fd() const { return epoll_.get(); }

  /// A socket: ready as long as something can be read (and written, if asked).
  Result<> add_socket(const Fd& socket, ReadyTag tag);
  void watch_writable(const Fd& socket, ReadyTag tag, bool yes);
  void pause(const Fd& socket, ReadyTag tag, bool yes);
  /// A doorbell that only needs to wake. It leaves when the last copy of it is closed or by remove.
  Result<> add_doorbell(const Fd& doorbell);
  void remove(const Fd& fd);

  void arm();
  void disarm();
  bool armed() const { return armed_; }

  /// Hot. What a poll does to an announced sleep: the first one after `arm` is the last look before
  /// sleep and leaves it; one after a wait, or a second one, ends it. True if sockets are due.
  bool note_poll() {
    if (!armed_ && !slept_) [[likely]]
      return false;
    return note_poll_slow();
  }

  /// Sleeps. False if it did not even try: something happened that the caller should look at.
  bool wait(Time until);
  /// What is ready now, sockets only, without sleeping.
  const std::vector<ReadyTag>& look();

  /// Any thread.
  void wake();

  Waiter() = default;
  Waiter(Waiter&&) noexcept;
  Waiter& operator=(Waiter&&) = delete;

 private:
  bool note_poll_slow();
  int collect(const timespec* timeout);
  std::atomic<std::uint64_t>& word();

  fabric::Memory control_;
  Fd epoll_;
  Fd own_doorbell_;
  std::vector<ReadyTag> ready_;
  std::atomic<bool> woken_{false};
  bool armed_ = false;
  bool looked_ = false;  ///< a poll came since arm
  bool slept_ = false;   ///< a wait came since the last poll
  bool stale_ = false;   ///< the sleep ended before a wait came: the next one returns at once
  bool sockets_ready_ = false;
};

}  // namespace squall::shm
