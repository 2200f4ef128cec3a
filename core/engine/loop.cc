#include "core/engine/loop.h"

#include <sched.h>

#include <algorithm>
#include <utility>

namespace squall::engine {
namespace {

// How long nothing must have happened before the next gentler way of waiting. A wake-up from sleep
// costs some 30 us across cores, a yield half a microsecond when the core is free.
constexpr Duration spin_for = std::chrono::microseconds(20);
constexpr Duration yield_for = std::chrono::microseconds(200);
// A core that nobody else wants comes back from a yield in about half of that; another engine's
// turn and the switches to it and back take longer. After so many in a row, spinning hurts nobody.
constexpr Duration unwanted_yield = std::chrono::microseconds(2);
// About a microsecond, in which messages of the fabric itself wait.
constexpr int looks_between_turns = 32;
// The companion's descriptor does not wake the wait of a fabric without one, so no sleep is longer
// than this. What it tells are hints; what must be quick, the fabric tells.
constexpr Duration longest_sleep = std::chrono::milliseconds(100);

void pause_core() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

Loop::Loop(fabric::Fabric& fabric, Turn& turn, bool crowded, Companion companion)
    : fabric_(fabric),
      turn_(turn),
      maps_(fabric.capabilities().maps),
      crowded_(crowded),
      companion_(std::move(companion)) {}

Loop::~Loop() = default;

bool Loop::poll() {
  if (in_turn_) return false;
  if (armed_.load(std::memory_order_relaxed)) {
    // The embedder slept on fd() itself: let the fabric take note of what woke it.
    fabric_.wait(Time{});
    disarm();
  }
  return turn();
}

void Loop::push_early() {
  if (in_turn_ || crowded_) return;
  turn_.publish_now();
}

bool Loop::turn() {
  in_turn_ = true;
  turning_thread_.store(this_thread(), std::memory_order_relaxed);
  // What was committed since the last turn leaves at once, and counters that have come are answered
  // at once: a poll may cost system calls. But every other turn polls, and so do the looks before
  // and after a sleep; with more engines than cores every turn.
  bool quiet = std::exchange(quiet_, false);
  polled_ = !polled_ || crowded_ || armed_.load(std::memory_order_relaxed) || quiet ||
            (quiet = !turn_.news());
  // Nor does either wait for the clock, which costs as much as half a trip to another core. Whoever
  // spun until something came read it a moment before; had it lost its core since then, that would
  // be no different from losing it right behind the reading.
  read_clock_ = polled_ && !(std::exchange(woken_, false) && read_clock_);
  if (read_clock_) now_ = Monotonic::now();
  const std::size_t count = polled_ ? fabric_.poll(events_) : 0;
  const bool progressed = polled_ && fabric_.progressed();
  // A loss makes it due at once: it may know who died first.
  const auto fired = std::span(events_).first(count);
  const bool lost = std::ranges::any_of(
      fired, [](const fabric::Event& event) { return event.kind == fabric::Event::Kind::lost; });
  if (companion_.turn && (lost || now_ >= companion_due_)) {
    companion_.turn(now_);
    companion_due_ = now_ + companion_interval;
  }
  // Where polling lands no counters, one look at them is enough for a turn; and there pieces cost
  // no calls, so they may be small on crowded cores, too.
  const Turn::Outcome outcome = turn_.run(now_, fired, {quiet && maps_, crowded_ && !maps_});
  deadline_ = outcome.deadline;
  in_turn_ = false;
  const bool worked = outcome.worked || progressed;
  // Who sleeps between heartbeats does not wake up for more than them. What progressed and told
  // nothing was a push that landed, or a part of one.
  if (outcome.traffic || (progressed && count == 0)) idle_since_ = never;
  return worked;
}

void Loop::idle(Time until) {
  if (in_turn_) return;
  if (idle_since_ == never) idle_since_ = now_;
  const Duration idle_for = now_ - idle_since_;
  if (!crowded_ && core_is_ours() && idle_for < spin_for) {
    spin();
  } else if (idle_for < yield_for) {
    yield();
  } else if (arm()) {
    sleep(std::min(until, next_sleep_end()));
    disarm();
  }
}

/// Gives the core away, and notes whether anyone took it.
void Loop::yield() {
  if (crowded_) return static_cast<void>(sched_yield());
  const Time before = Monotonic::now();
  sched_yield();
  const bool taken = Monotonic::now() - before > unwanted_yield;
  unwanted_yields_ = taken ? 0 : std::min(unwanted_yields_ + 1, enough_unwanted_yields);
}

/// Where a look costs next to nothing it looks often: what comes in the middle of a turn that finds
/// nothing would wait for the next one.
void Loop::spin() {
  const bool looks = fabric_.capabilities().lends;
  int left = looks ? looks_between_turns : 1;
  do {
    pause_core();
    const bool news = looks && turn_.news();
    quiet_ = looks && !news && fabric_.message_waits();
    woken_ = news || quiet_;
  } while (--left > 0 && !woken_);
}

Time Loop::next_sleep_end() const {
  const Time companion = companion_.deadline ? companion_.deadline() : never;
  return std::min({deadline_, companion, now_ + longest_sleep});
}

/// Until the fabric or the companion has something.
void Loop::sleep(Time until) {
  if (companion_.fd < 0) return fabric_.wait(until);
  if (fabric_.wait_beside(companion_.fd, until)) companion_due_ = Time{};
}

bool Loop::arm_fd() {
  if (!arm()) return false;
  if (alarm_) alarm_->set(next_sleep_end());
  return true;
}

int Loop::fd() {
  if (!alarm_ && fabric_.fd() >= 0) {
    alarm_ = Alarm::over({fabric_.fd(), companion_.fd});
    if (alarm_ && armed_.load(std::memory_order_relaxed)) alarm_->set(next_sleep_end());
  }
  return alarm_ ? alarm_->fd() : -1;
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
  polled_ = false;  // so the next turn does
  armed_.store(false, std::memory_order_relaxed);
  fabric_.disarm();
}

}  // namespace squall::engine
