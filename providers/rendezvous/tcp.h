#pragma once
// The rendezvous over TCP: sockets, epoll and resolver around core/fabric/meeting.h, which
// decides everything. No thread; one thread at a time uses it; nothing blocks, but for the resolver
// when a contact is a host name (never once everyone below this rank is introduced).

#include <memory>
#include <string>

#include "core/base/error.h"
#include "core/fabric/meeting.h"
#include "core/fabric/rendezvous.h"

namespace squall::rendezvous {

struct Options {
  fabric::Roster roster;      ///< in rank order, this node included
  fabric::Introduction self;  ///< its name chooses the rank
  fabric::Manners manners;
  std::string listen;  ///< empty: this node's own address in the roster; if it has none, it
                       ///< does not listen
  int listen_fd = -1;  ///< inherited and already listening; taken over; wins over listen
};

/// Listening when it returns; calling starts with the first poll.
/// Code::invalid (options), Code::unavailable (address), Code::io, each with a remedy.
Result<std::unique_ptr<fabric::Rendezvous>> open(Options options);

/// Connections taken per second on average, and at once; the rest waits in the kernel's queue.
inline constexpr int accepts_per_second = 2000;
inline constexpr int accepts_at_once = 64;

}  // namespace squall::rendezvous
