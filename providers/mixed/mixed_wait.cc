#include "providers/mixed/mixed_wait.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <ctime>
#include <utility>

namespace squall::mixed {

Result<Waiter> Waiter::create(std::span<const int> descriptors) {
  Waiter waiter;
  waiter.epoll_ = epoll_create1(EPOLL_CLOEXEC);
  waiter.wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (waiter.epoll_ < 0 || waiter.wake_ < 0) return fail_errno("a descriptor to sleep on", errno);
  const auto watch = [&](int fd) {
    epoll_event event{EPOLLIN, {.fd = fd}};
    return fd < 0 || epoll_ctl(waiter.epoll_, EPOLL_CTL_ADD, fd, &event) == 0;
  };
  if (!watch(waiter.wake_) || !std::ranges::all_of(descriptors, watch))
    return fail_errno("epoll_ctl", errno);
  return waiter;
}

Waiter& Waiter::operator=(Waiter&& other) noexcept {
  std::swap(epoll_, other.epoll_);
  std::swap(wake_, other.wake_);
  return *this;
}

Waiter::~Waiter() {
  if (wake_ >= 0) close(wake_);
  if (epoll_ >= 0) close(epoll_);
}

void Waiter::sleep(Time until) {
  constexpr std::int64_t second = 1'000'000'000, hour = 3600 * second;
  // Not even a call if the time has passed: whoever slept on the descriptor only takes note.
  const auto left = std::min<std::int64_t>((until - Monotonic::now()).count(), hour);
  if (left > 0) {
    pollfd ready{epoll_, POLLIN, 0};
    const timespec timeout{left / second, left % second};
    if (ppoll(&ready, 1, &timeout, nullptr) == 0) return;
  }
  std::uint64_t count;
  [[maybe_unused]] const ssize_t got = read(wake_, &count, sizeof count);
}

void Waiter::wake() {
  const std::uint64_t one = 1;
  // A full counter is as readable as can be.
  [[maybe_unused]] const ssize_t written = write(wake_, &one, sizeof one);
}

}  // namespace squall::mixed
