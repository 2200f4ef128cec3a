#include "providers/rendezvous/address.h"

#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>

#include <charconv>
#include <cstring>

namespace squall::rendezvous {

Result<HostPort> parse_address(std::string_view text) {
  const auto wrong = [&](std::string_view why) {
    return fail(Code::invalid, fmt::format("\"{}\" is not an address: {}", text, why),
                "write host:port, for example 10.0.0.1:7070 or [::1]:7070");
  };
  HostPort where;
  std::string_view port;
  if (!text.empty() && text.front() == '[') {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return wrong("the ] is missing");
    if (text.substr(close + 1, 1) != ":") return wrong("the port is missing");
    where.host = text.substr(1, close - 1);
    port = text.substr(close + 2);
  } else {
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) return wrong("the port is missing");
    if (text.find(':', colon + 1) != std::string_view::npos)
      return wrong("an IPv6 address needs brackets");
    where.host = text.substr(0, colon);
    port = text.substr(colon + 1);
  }
  if (where.host.empty()) return wrong("the host is missing");
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), where.port);
  if (port.empty() || error != std::errc() || end != port.data() + port.size())
    return wrong("the port must be a number from 0 to 65535");
  return where;
}

Result<Resolved> resolve(const HostPort& where) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  const std::string port = std::to_string(where.port);
  addrinfo* found = nullptr;
  int error = getaddrinfo(where.host.c_str(), port.c_str(), &hints, &found);
  const bool numeric = error == 0;
  if (!numeric) {
    hints.ai_flags = AI_NUMERICSERV;
    error = getaddrinfo(where.host.c_str(), port.c_str(), &hints, &found);
  }
  if (error != 0)
    return fail(Code::unavailable,
                fmt::format("no address for host {}: {}", where.host, gai_strerror(error)),
                "check the name, or write the address itself");
  Resolved resolved{{}, numeric};
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    SocketAddress address;
    if (at->ai_addrlen > sizeof(address.storage)) continue;
    std::memcpy(&address.storage, at->ai_addr, at->ai_addrlen);
    address.size = at->ai_addrlen;
    resolved.addresses.push_back(address);
  }
  freeaddrinfo(found);
  return resolved;
}

std::string to_text(const SocketAddress& address) {
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  if (getnameinfo(address.get(), address.size, host, sizeof(host), port, sizeof(port),
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return "an unknown address";
  if (address.family() == AF_INET6) return fmt::format("[{}]:{}", host, port);
  return fmt::format("{}:{}", host, port);
}

std::string local_addresses() {
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return "unknown";
  std::string list;
  for (const ifaddrs* at = all; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr == nullptr || (at->ifa_flags & IFF_UP) == 0) continue;
    const int family = at->ifa_addr->sa_family;
    if (family != AF_INET && family != AF_INET6) continue;
    const socklen_t size = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    char host[NI_MAXHOST];
    if (getnameinfo(at->ifa_addr, size, host, sizeof(host), nullptr, 0, NI_NUMERICHOST) != 0)
      continue;
    list += fmt::format("{}{}", list.empty() ? "" : ", ", host);
  }
  freeifaddrs(all);
  return list.empty() ? "none" : list;
}

}  // namespace squall::rendezvous
