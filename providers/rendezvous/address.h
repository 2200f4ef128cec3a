#pragma once
// Addresses of rendezvous: "10.0.0.1:7070", "[fe80::1]:7070", "host.example:7070". Numeric ones
// are read without asking anyone; a host name asks the resolver, which may block.

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"

namespace squall::rendezvous {

struct HostPort {
  std::string host;  ///< without brackets
  std::uint16_t port = 0;
};

/// Code::invalid with what was expected. Port 0 is let through: some listen on it.
Result<HostPort> parse_address(std::string_view text);

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
};

/// At least one address, in the resolver's order. Code::unavailable if there is none.
/// `numeric` says whether the resolver was not asked.
struct Resolved {
  std::vector<SocketAddress> addresses;
  bool numeric = false;
};
Result<Resolved> resolve(const HostPort& where);

/// "10.0.0.1:7070", "[::1]:7070".
std::string to_text(const SocketAddress& address);

/// The addresses of this host that are up, for a remedy: "127.0.0.1, 10.0.0.1, ::1".
std::string local_addresses();

}  // namespace squall::rendezvous
