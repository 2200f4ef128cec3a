#include "core/base/alarm.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "core/base/assert.h"

namespace squall {

std::optional<Alarm> Alarm::over(std::initializer_list<int> descriptors) {
  Alarm alarm(epoll_create1(EPOLL_CLOEXEC),
              timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (alarm.fd_ < 0 || alarm.timer_ < 0) return std::nullopt;
  const auto watch = [&](int descriptor) {
    epoll_event interest{};
    interest.events = EPOLLIN;
    return descriptor < 0 || epoll_ctl(alarm.fd_, EPOLL_CTL_ADD, descriptor, &interest) == 0;
  };
  if (!watch(alarm.timer_) || !std::ranges::all_of(descriptors, watch)) return std::nullopt;
  return alarm;
}

Alarm::Alarm(Alarm&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      timer_(std::exchange(other.timer_, -1)),
      set_(other.set_) {}

Alarm& Alarm::operator=(Alarm&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(timer_, other.timer_);
  std::swap(set_, other.set_);
  return *this;
}

Alarm::~Alarm() {
  if (timer_ >= 0) close(timer_);
  if (fd_ >= 0) close(fd_);
}

void Alarm::set(Time when) {
  if (when == set_) return;
  set_ = when;
  // Zero would be never.
  const auto ns = std::max<Duration::rep>(1, when.time_since_epoch().count());
  itimerspec at{};
  if (when != never) at.it_value = {ns / 1'000'000'000, ns % 1'000'000'000};
  const int done = timerfd_settime(timer_, TFD_TIMER_ABSTIME, &at, nullptr);
  SQUALL_ASSERT(done == 0, "a time that lies on the clock");
}

}  // namespace squall
