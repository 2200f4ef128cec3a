#include "providers/ofi/unpaced.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <string_view>

namespace squall::ofi {
namespace {

bool is_loopback(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET)
    return ntohl(reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr) >> 24 ==
           IN_LOOPBACKNET;
  return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
}

bool same_host(const sockaddr_storage& a, const sockaddr_storage& b) {
  if (a.ss_family != b.ss_family) return false;
  if (is_loopback(a) && is_loopback(b)) return true;
  if (a.ss_family == AF_INET)
    return reinterpret_cast<const sockaddr_in&>(a).sin_addr.s_addr ==
           reinterpret_cast<const sockaddr_in&>(b).sin_addr.s_addr;
  return IN6_ARE_ADDR_EQUAL(&reinterpret_cast<const sockaddr_in6&>(a).sin6_addr,
                            &reinterpret_cast<const sockaddr_in6&>(b).sin6_addr);
}

}  // namespace

bool unpace_within_host(int socket) {
  sockaddr_storage mine{}, peers{};
  socklen_t mine_length = sizeof mine, peers_length = sizeof peers;
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&mine), &mine_length) != 0 ||
      getpeername(socket, reinterpret_cast<sockaddr*>(&peers), &peers_length) != 0)
    return false;
  if ((mine.ss_family != AF_INET && mine.ss_family != AF_INET6) || !same_host(mine, peers))
    return false;
  constexpr std::string_view unpaced = "reno";
  return setsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, unpaced.data(), unpaced.size()) == 0;
}

}  // namespace squall::ofi
