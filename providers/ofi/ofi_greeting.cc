#include "providers/ofi/ofi_greeting.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <charconv>
#include <cstring>
#include <string>

namespace squall::ofi {

std::optional<Greeting> read_greeting(Bytes bytes) {
  Greeting greeting;
  // Providers may pad what they carry (verbs to 56 bytes).
  if (bytes.size() < sizeof greeting) return std::nullopt;
  std::memcpy(&greeting, bytes.data(), sizeof greeting);
  if (greeting.magic != wire_magic || greeting.version != wire_version || greeting.lane > 1 ||
      greeting.zero != 0)
    return std::nullopt;
  return greeting;
}

Result<sockaddr_storage> parse_address(std::string_view text) {
  const auto bad = [&] {
    return fail(Code::invalid, fmt::format("'{}' is no fabric address", text),
                "both ends must be configured with the same fabric");
  };
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos || text.size() > 80) return bad();
  const std::string_view port_text = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] =
      std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (error != std::errc{} || end != port_text.data() + port_text.size() || port == 0) return bad();
  sockaddr_storage address{};
  std::string host(text.substr(0, colon));
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&address);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    if (inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) != 1) return bad();
  } else {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&address);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) != 1) return bad();
  }
  return address;
}

}  // namespace squall::ofi
