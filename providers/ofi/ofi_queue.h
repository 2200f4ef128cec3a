#pragma once
// One completion queue, one event queue where there are connections, and waiting on both: on their
// descriptors and an eventfd for `wake`. The trap in it: fi_trywait may move data that wakes nobody
// afterwards, so whoever sleeps looks, tries, and looks again; a failed try makes the eventfd
// readable. One thread, except for `wake`.
//
// The tcp provider writes a byte to itself for every completion and reads it back at the next
// read, for the sake of sleepers in other threads. We have none, and look before we sleep, so
// `mute` makes it believe that the byte is there already: two or three system calls less for
// every message.
//
// A muted queue is open with FI_WAIT_POLLFD: it names its sockets, and a sleeper gives them to
// poll(2). With FI_WAIT_FD they are in an epoll set, whose callback runs for every segment that
// comes, on the sender's core where that is the same host, and once more for every set around it,
// whether anyone sleeps or not.

#include <poll.h>

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
  /// Those of a muted queue's endpoints, as of now; none if it is not. Valid until the next call.
  std::span<const pollfd> sockets();
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
  void wait(Time until) { wait_beside(-1, until); }
  void wake();
  /// As `Fabric::wait_beside`.
  bool wait_beside(int descriptor, Time until);
  /// -1: it cannot wait.
  int fd();

 private:
  Queue() = default;
  Result<> open_completions(Domain& domain, bool quiet);
  bool may_sleep();
  bool mute();
  void list_sleepers(int descriptor);
  void show_sockets();
  bool drain_wake();

  fid_fabric* fabric_ = nullptr;
  Fid<fid_eq> eq_;
  Fid<fid_cq> cq_;
  int epoll_ = -1;  ///< for those who sleep on `fd`: `wake_`, events, and completions or sockets
  int wake_ = -1;
  int events_fd_ = -1;
  int completions_fd_ = -1;  ///< none where it is muted
  bool can_wait_ = false;
  bool muted_ = false;            ///< completions make nothing readable, only sockets do
  std::vector<pollfd> sleepers_;  ///< what there is to sleep on
  std::uint64_t list_index_ = 0;  ///< its version: descriptors may have been used again
  bool asked_ = false;            ///< for `fd`: the sockets are in `epoll_`, too
  std::vector<pollfd> shown_;     ///< there
  std::uint64_t shown_index_ = 0;
  /// arm, one poll, sleep, and the next poll ends it.
  enum class Stage : std::uint8_t { awake, armed, looked } stage_ = Stage::awake;
  /// Without descriptors: whether anything completed since the last `wait`, and when that was.
  bool busy_ = false;
  Time last_busy_ = Monotonic::now();
  bool woken_ = false;  ///< a wake-up was taken from the eventfd that no `wait` has seen
};

}  // namespace squall::ofi
