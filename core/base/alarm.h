#pragma once
// One descriptor for event loops of others: readable when any of some descriptors is, or when a
// time has come (timerfd_create(2), epoll(7)).

#include <initializer_list>
#include <optional>

#include "core/base/time.h"

namespace squall {

class Alarm {
 public:
  /// Over those of the descriptors that are not negative; they must outlive it. nullopt: the
  /// process or the host is out of descriptors.
  static std::optional<Alarm> over(std::initializer_list<int> descriptors);
  Alarm(Alarm&& other) noexcept;
  Alarm& operator=(Alarm&& other) noexcept;
  ~Alarm();

  /// Owned by the alarm.
  int fd() const { return fd_; }
  /// Of Monotonic; `never` is never, and what has passed is now. One time: the last one set.
  void set(Time when);

 private:
  Alarm(int fd, int timer) : fd_(fd), timer_(timer) {}

  int fd_;
  int timer_;
  Time set_ = never;
};

}  // namespace squall
