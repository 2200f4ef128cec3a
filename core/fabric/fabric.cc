#include "core/fabric/fabric.h"

#include <poll.h>

#include <algorithm>
#include <cstdint>
#include <ctime>

namespace squall::fabric {

bool Fabric::wait_beside(int descriptor, Time until) {
  const int own = fd();
  if (own < 0) {
    wait(until);
    return false;
  }
  constexpr std::int64_t second = 1'000'000'000, hour = 3600 * second;
  const auto left = std::clamp<std::int64_t>((until - Monotonic::now()).count(), 0, hour);
  pollfd ready[]{{own, POLLIN, 0}, {descriptor, POLLIN, 0}};
  const timespec timeout{left / second, left % second};
  const bool rings = ppoll(ready, 2, &timeout, nullptr) > 0 && ready[1].revents != 0;
  wait(Time{});  // it takes note of what woke it
  return rings;
}

}  // namespace squall::fabric
