#pragma once
// What turns a node in real time: the only place in core with a clock, waiting and a thread.
// Spins while there is work, then yields, then sleeps until a deadline or a doorbell. With more
// engines than cores, and while others want its core, it gives the core away at once: pure spinning
// would cost the others a scheduler slice per message.

#include <array>
#include <atomic>
#include <functional>
#include <optional>

#include "core/base/alarm.h"
#include "core/base/this_thread.h"
#include "core/base/time.h"
#include "core/engine/turn.h"
#include "core/fabric/fabric.h"

namespace squall::engine {

/// Something beside the fabric that wants to be turned now and then (the rendezvous): every
/// millisecond while there is something to do, and when its descriptor is readable or its time has
/// come while asleep. On fabrics that cannot wait, ten times a second at least.
struct Companion {
  std::function<void(Time)> turn{};  ///< empty: there is none
  int fd = -1;
  std::function<Time()> deadline{};
};

class Loop {
 public:
  static constexpr Duration companion_interval = std::chrono::milliseconds(1);

  /// `crowded`: more engines than cores run on this host. The fabric and the turn outlive the loop.
  Loop(fabric::Fabric& fabric, Turn& turn, bool crowded, Companion companion);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// One turn. True if there was anything to do. No reentry: from inside an upcall it does nothing
  /// and returns false.
  bool poll();
  /// Between two turns, what was committed here so far begins to travel, while the application goes
  /// on filling its ring. Not with more engines than cores: then somebody else works meanwhile
  /// anyway, and every wake-up costs.
  void push_early();
  /// Replicas are the owner's memory, and pushing early would only move cache lines more often.
  bool maps() const { return maps_; }
  /// Waits a little: a spin, a yield or a sleep, depending on how long nothing has happened.
  void idle(Time until);
  /// Announces a sleep on fd(): false if there is work and a poll is due instead.
  bool arm_fd();
  /// Readable when a poll is due, after `arm_fd` returned true: when something arrived, or when a
  /// heartbeat is due. -1 where the fabric cannot wait, or the host is out of descriptors; poll it
  /// then. Owned by the loop.
  int fd();

  /// The caller is the thread that turned the loop last.
  bool turning_here() const {
    return turning_thread_.load(std::memory_order_relaxed) == this_thread();
  }
  /// The same, and whatever it commits need wake nobody.
  bool awake_here() const { return turning_here() && !armed_.load(std::memory_order_relaxed); }
  /// Something was committed: wakes the loop if it sleeps, or is about to.
  void ring_doorbell() {
    if (turning_here()) return ring_doorbell_here();
    // Pairs with the fence in arm: either we see it armed, or its last look sees our commit.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (armed_.load(std::memory_order_relaxed)) fabric_.wake();
  }
  /// The same from the turning thread, as cheap as can be: an embedder that has armed between turns
  /// sleeps on fd() next.
  void ring_doorbell_here() {
    if (armed_.load(std::memory_order_relaxed) && !in_turn_) [[unlikely]]
      fabric_.wake();
  }
  void wake() { fabric_.wake(); }
  /// More or fewer engines run on this host than when it was made.
  void set_crowded(bool crowded) { crowded_ = crowded; }
  /// Before another thread begins to turn the loop: the calling one is none that turns it any more.
  void hand_over() { turning_thread_.store(nullptr, std::memory_order_relaxed); }
  /// The caller was called by a turn.
  bool in_upcall() const { return turning_here() && in_turn_; }

 private:
  static constexpr int enough_unwanted_yields = 16;

  bool turn();
  bool arm();
  void disarm();
  bool core_is_ours() const { return unwanted_yields_ == enough_unwanted_yields; }
  void spin();
  void yield();
  void sleep(Time until);
  Time next_sleep_end() const;

  fabric::Fabric& fabric_;
  Turn& turn_;
  const bool maps_;
  bool crowded_;
  Companion companion_;
  std::array<fabric::Event, 64> events_;
  Time now_{};  // as of the last reading of the clock: one for each turn, or every other one
  Time deadline_ = never;
  Time idle_since_ = never;
  Time companion_due_{};
  int unwanted_yields_ = enough_unwanted_yields;  // in a row
  bool in_turn_ = false;
  bool polled_ = false;      // by the last turn
  bool read_clock_ = false;  // the same
  bool woken_ = false;       // something ended the last spin
  bool quiet_ = false;       // that was a message, and its last look at the channels found nothing
  std::optional<Alarm> alarm_;  // once somebody has asked for fd()
  std::atomic<bool> armed_{false};
  std::atomic<const void*> turning_thread_{nullptr};
};

}  // namespace squall::engine
