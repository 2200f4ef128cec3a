#pragma once
// Sleeping on several fabrics at once: their descriptors and an eventfd for `wake` behind one epoll
// descriptor. One thread, except for `wake`.

#include <span>

#include "core/base/error.h"
#include "core/base/time.h"

namespace squall::mixed {

class Waiter {
 public:
  /// Descriptors below zero are left out. They outlive it.
  static Result<Waiter> create(std::span<const int> descriptors);

  Waiter() = default;
  Waiter(Waiter&& other) noexcept { *this = std::move(other); }
  Waiter& operator=(Waiter&& other) noexcept;
  ~Waiter();

  int fd() const { return epoll_; }
  /// Until one is readable, `wake`, or `until`.
  void sleep(Time until);
  void wake();

 private:
  int epoll_ = -1;
  int wake_ = -1;
};

}  // namespace squall::mixed
