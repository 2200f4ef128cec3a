#pragma once
// What is known of a peer before there is a connection: the greeting that a dialler sends, and the
// address that it claims. Pure; both are read as hostile.

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/fabric/fabric.h"
#include "providers/ofi/ofi_wire.h"

namespace squall::ofi {

using fabric::Ticket;

/// What a dialler sends along with its request; verbs carries at most 56 bytes.
struct Greeting {
  std::uint32_t magic = wire_magic;
  std::uint16_t version = wire_version;
  std::uint8_t lane = 0;
  std::uint8_t zero = 0;
  Ticket ticket{};
};
static_assert(sizeof(Greeting) == 24);

/// Empty if it is none of ours.
std::optional<Greeting> read_greeting(Bytes bytes);

/// "1.2.3.4:5" or "[v6]:5".
Result<sockaddr_storage> parse_address(std::string_view text);

}  // namespace squall::ofi
