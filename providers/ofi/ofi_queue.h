#pragma once
// One completion queue, one event queue where there are connections, and waiting on both: their
// descriptors and an eventfd for `wake` behind one epoll descriptor. The trap in it: fi_trywait
// may move data that wakes nobody afterwards, so whoever sleeps looks, tries, and looks again;
// a failed try makes the eventfd readable. One thread, except for `wake`.
//
// The tcp provider writes a byte to itself for every completion and reads it back at the next
// read, for the sake of sleepers in other threads. We have none, and look before we sleep, so
// `mute` makes it believe that the byte is there already: two or three system calls less for
// every message.

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/time.h"
#include "providers/ofi/ofi_domain.h"

namespace squall::ofi {

/// The context of every operation. Some providers (FI_CONTEXT2) write into its first member.
struct Op {
  fi_context2 scratch{};
  void* owner = nullptr;
  bool is_receive = false;
};

struct Completion {
  Op* op = nullptr;
  std::size_t bytes = 0;
  int error = 0;  ///< positive libfabric error
};

/// One connection event; `info` is owned by whoever takes it.
struct ConnectionEvent {
  enum class Kind : std::uint8_t { request, connected, shutdown, failed } kind{};
  fid_t fid = nullptr;
  Info info;                    ///< of a request
  std::vector<std::byte> data;  ///< of a request: what the dialler sent along
  int error = 0;
};

class Queue {
 public:
  /// `quiet` mutes it, if the provider is one that can be.
  static Result<std::unique_ptr<Queue>> open(Domain& domain, bool with_events, bool quiet = false);
  ~Queue();

  fid_cq* cq() const { return cq_.get(); }
  fid_eq* eq() const { return eq_.get(); }

  /// Completions, failed ones among them, without blocking.
  std::size_t read(std::span<Completion> completions);
  /// False: no event.
  bool read_event(ConnectionEvent& event);

  // --- waiting

  bool can_wait() const { return can_wait_; }
  bool muted() const { return muted_; }
  void arm();
  void disarm() { stage_ = Stage::awake; }
  /// True between `arm` and the second poll after it: every source must be looked at.
  bool armed() const { return stage_ != Stage::awake; }
  /// At the end of every poll while armed: what must not be slept on makes `fd` readable.
  void polled();
  /// After a send: a muted queue does not say by itself that it wants to be looked at.
  void sent() {
    if (muted_ && armed()) wake();
  }
  void wait(Time until);
  void wake();
  int fd() const { return can_wait_ ? epoll_ : -1; }

 private:
  Queue() = default;
  bool may_sleep();
  void mute();
  bool drain_wake();

  fid_fabric* fabric_ = nullptr;
  Fid<fid_eq> eq_;
  Fid<fid_cq> cq_;
  int epoll_ = -1;
  int wake_ = -1;
  bool can_wait_ = false;
  bool muted_ = false;  ///< completions do not make the descriptor readable, only sockets do
  /// arm, one poll, sleep, and the next poll ends it.
  enum class Stage : std::uint8_t { awake, armed, looked } stage_ = Stage::awake;
  /// Without descriptors: whether anything completed since the last `wait`, and when that was.
  bool busy_ = false;
  Time last_busy_ = Monotonic::now();
  bool woken_ = false;  ///< a wake-up was taken from the eventfd that no `wait` has seen
};

}  // namespace squall::ofi
