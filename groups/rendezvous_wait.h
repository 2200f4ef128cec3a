#pragma once
// What a node does at its rendezvous before it has a group. Private to groups/.

#include <poll.h>

#include <algorithm>
#include <chrono>

#include "core/base/error.h"
#include "core/base/time.h"
#include "core/fabric/rendezvous.h"

namespace squall {

/// Sleeps until the rendezvous has something, or one of the times has come.
inline void wait_for(const fabric::Rendezvous& rendezvous, Time now, Time until) {
  const Duration wait = std::clamp<Duration>(std::min(rendezvous.deadline(), until) - now,
                                             Duration::zero(), std::chrono::seconds(1));
  pollfd ready{rendezvous.fd(), POLLIN, 0};
  const timespec timeout{wait.count() / 1'000'000'000, wait.count() % 1'000'000'000};
  ppoll(&ready, 1, &timeout, nullptr);
}

/// To guests that come too early. Code::unavailable tells them, and `auto`, that there is no group.
inline Error no_group_yet() {
  return {Code::unavailable, "there is no group here yet", ""};
}

}  // namespace squall
