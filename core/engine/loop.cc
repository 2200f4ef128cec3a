#include "core/engine/loop.h"

#include <algorithm>
#include <cerrno>
#include <sched.h>
#include <sys/epoll.h>
#include <unistd.h>

namespace squall::engine {
namespace {

// How long nothing must have happened before the next gentler way of waiting. A wake-up from sleep
// costs some 30 us across cores, a yield half a microsecond when the core is free.
constexpr Duration spin_for = std::chrono::microseconds(20);
constexpr Duration yield_for = std::chrono::microseconds(200);
// Without a descriptor to wait on, sleep is a nap.
constexpr Duration nap = std::chrono::milliseconds(1);

void pause_core() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

Loop::Loop(fabric::Fabric& fabric, Turn& turn, bool crowded, Companion companion)
    : fabric_(fabric), turn_(turn), crowded_(crowded), companion_(std::move(companion)) {}

Result<std::unique_ptr<Loop>> Loop::create(fabric::Fabric& fabric, Turn& turn, bool crowded,
                                           Companion companion) {
  std::unique_ptr<Loop> loop(new Loop(fabric, turn, crowded, std::move(companion)));
  loop->epoll_ = epoll_create1(EPOLL_CLOEXEC);
  if (loop->epoll_ < 0) return fail_errno("epoll_create1", errno);
  for (const int fd : {fabric.fd(), loop->companion_.fd}) {
    if (fd < 0) continue;
    epoll_event event{};
    event.events = EPOLLIN;
    if (epoll_ctl(loop->epoll_, EPOLL_CTL_ADD, fd, &event) != 0)
      return fail_errno("epoll_ctl", errno);
  }
  return loop;
}

Loop::~Loop() {
  if (epoll_ >= 0) close(epoll_);
}

bool Loop::poll() {
  if (in_turn_) return false;
  if (armed_.load(std::memory_order_relaxed)) disarm();
  return turn();
}

bool Loop::turn() {
  in_turn_ = true;
  turning_thread_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  now_ = Monotonic::now();
  const std::size_t count = fabric_.poll(events_);
  const bool progressed = fabric_.progressed();
  if (now_ >= companion_due_ && companion_.poll) {
    companion_.poll(now_);
    companion_due_ = now_ + companion_interval;
  }
  const Turn::Outcome outcome = turn_.run(now_, std::span(events_).first(count));
  deadline_ = outcome.deadline;
  in_turn_ = false;
  const bool worked = outcome.worked || progressed;
  if (worked) idle_since_ = never;
  return worked;
}

void Loop::idle(Time until) {
  if (in_turn_) return;
  if (idle_since_ == never) idle_since_ = now_;
  const Duration idle_for = now_ - idle_since_;
  if (!crowded_ && idle_for < spin_for) {
    pause_core();
  } else if (idle_for < yield_for) {
    sched_yield();
  } else if (arm()) {
    const Time limit = std::min(until, deadline_);
    Duration timeout = limit == never ? Duration(std::chrono::seconds(1)) : limit - Monotonic::now();
    if (!fabric_.capabilities().can_wait) timeout = std::min(timeout, nap);
    if (timeout > Duration::zero()) {
      const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout);
      const timespec wait{seconds.count(), (timeout - seconds).count()};
      epoll_event event;
      epoll_pwait2(epoll_, &event, 1, &wait, nullptr);
    }
    // Whatever woke us may be for the companion.
    companion_due_ = Time{};
    disarm();
  }
}

bool Loop::arm() {
  if (in_turn_) return false;
  armed_.store(true, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  fabric_.arm();
  // What came before the announcement wakes nobody: look once more.
  if (!turn()) return true;
  disarm();
  return false;
}

void Loop::disarm() {
  armed_.store(false, std::memory_order_relaxed);
  fabric_.disarm();
}

}  // namespace squall::engine
