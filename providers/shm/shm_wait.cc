#include "providers/shm/shm_wait.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <new>

#include "core/base/assert.h"

namespace squall::shm {
namespace {

constexpr ReadyTag doorbell_tag = ~ReadyTag{0};

/// epoll_pwait2 (Linux 5.11) takes nanoseconds; before it, the nearest longer millisecond.
int sleep_on(int epoll, std::span<epoll_event> events, const timespec* timeout) {
  static std::atomic<bool> has_pwait2{true};
  const int room = static_cast<int>(events.size());
  if (has_pwait2.load(std::memory_order_relaxed)) {
    const int count = epoll_pwait2(epoll, events.data(), room, timeout, nullptr);
    if (count >= 0 || errno != ENOSYS) return count;
    has_pwait2.store(false, std::memory_order_relaxed);
  }
  int timeout_ms = -1;
  if (timeout != nullptr)
    timeout_ms = static_cast<int>(timeout->tv_sec * 1000 + (timeout->tv_nsec + 999999) / 1000000);
  return epoll_wait(epoll, events.data(), room, timeout_ms);
}

}  // namespace

Waiter::Waiter(Waiter&& other) noexcept
    : control_(std::move(other.control_)),
      epoll_(std::move(other.epoll_)),
      own_doorbell_(std::move(other.own_doorbell_)) {}

Result<Waiter> Waiter::create() {
  Waiter waiter;
  auto control = fabric::Memory::create(sizeof(ControlPage));
  if (!control) return tl::unexpected(control.error());
  waiter.control_ = std::move(*control);
  auto* page = new (waiter.control_.data()) ControlPage{};
  page->magic = control_magic;
  waiter.epoll_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  if (!waiter.epoll_) return fail_errno("epoll_create1", errno);
  auto doorbell = make_doorbell();
  if (!doorbell) return tl::unexpected(doorbell.error());
  waiter.own_doorbell_ = std::move(*doorbell);
  if (auto added = waiter.add_doorbell(waiter.own_doorbell_); !added)
    return tl::unexpected(added.error());
  return waiter;
}

std::atomic<std::uint64_t>& Waiter::word() {
  return reinterpret_cast<ControlPage*>(control_.data())->sleeping;
}

Result<> Waiter::add_socket(const Fd& socket, ReadyTag tag) {
  epoll_event event{EPOLLIN | EPOLLRDHUP, {.u64 = tag}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket.get(), &event) != 0)
    return fail_errno("epoll_ctl", errno);
  return {};
}

void Waiter::watch_writable(const Fd& socket, ReadyTag tag, bool yes) {
  epoll_event event{EPOLLIN | EPOLLRDHUP | (yes ? EPOLLOUT : 0u), {.u64 = tag}};
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, socket.get(), &event);
}

void Waiter::pause(const Fd& socket, ReadyTag tag, bool yes) {
  epoll_event event{yes ? 0u : EPOLLIN, {.u64 = tag}};
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, socket.get(), &event);
}

Result<> Waiter::add_doorbell(const Fd& doorbell) {
  epoll_event event{EPOLLIN | EPOLLET, {.u64 = doorbell_tag}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, doorbell.get(), &event) != 0)
    return fail_errno("epoll_ctl", errno);
  return {};
}

void Waiter::remove(const Fd& fd) {
  // Needed even though we close it: the peer's copy would keep it in the epoll.
  if (fd) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd.get(), nullptr);
}

void Waiter::arm() {
  const std::uint64_t now = word().load(std::memory_order_relaxed);
  word().store((now | 1) + (now & 1) * 2, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  armed_ = true;
  looked_ = false;
  slept_ = false;
  stale_ = false;
  // A wake from before must make the descriptor readable now; its edge may be long gone.
  if (woken_.load(std::memory_order_relaxed)) ring(own_doorbell_);
}

void Waiter::disarm() {
  if (armed_) word().store(word().load(std::memory_order_relaxed) + 1, std::memory_order_release);
  armed_ = false;
  slept_ = false;
  stale_ = false;
}

bool Waiter::note_poll_slow() {
  if (slept_) {
    disarm();
    return sockets_ready_;
  }
  if (!looked_) {
    looked_ = true;
    return false;
  }
  disarm();
  stale_ = true;
  return true;
}

int Waiter::collect(const timespec* timeout) {
  std::array<epoll_event, 64> events;
  ready_.clear();
  const int count = sleep_on(epoll_.get(), events, timeout);
  for (int i = 0; i < count; ++i) {
    const ReadyTag tag = events[static_cast<std::size_t>(i)].data.u64;
    if (tag != doorbell_tag) ready_.push_back(tag);
  }
  sockets_ready_ = !ready_.empty();
  return count;
}

const std::vector<ReadyTag>& Waiter::look() {
  const timespec no_time{};
  const int count = collect(&no_time);
  // Whoever rang in this sleep does not ring again, so the ring must outlive this look.
  if (armed_ && count > static_cast<int>(ready_.size())) ring(own_doorbell_);
  return ready_;
}

bool Waiter::wait(Time until) {
  slept_ = true;
  if (stale_) {
    stale_ = false;
    return false;
  }
  if (woken_.exchange(false, std::memory_order_acquire)) return false;
  timespec timeout{};
  const timespec* limit = nullptr;
  if (until != never) {
    const auto left = std::clamp<std::int64_t>((until - Monotonic::now()).count(), 0,
                                               std::int64_t{3600} * 1000000000);
    timeout.tv_sec = left / 1000000000;
    timeout.tv_nsec = left % 1000000000;
    limit = &timeout;
  }
  // The rings of this sleep are spent: a second wait without a poll between must not sleep.
  stale_ = collect(limit) != 0;
  woken_.exchange(false, std::memory_order_acquire);
  return true;
}

void Waiter::wake() {
  if (!woken_.exchange(true, std::memory_order_release)) ring(own_doorbell_);
}

}  // namespace squall::shm
