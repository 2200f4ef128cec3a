#pragma once
// What single values of a configuration look like: names, addresses, contacts, sizes. Pure.

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/base/error.h"
#include "groups/config.h"

namespace squall {

/// Names become file names and log lines, so they are kept plain.
bool is_plain_name(std::string_view name);
inline constexpr std::string_view plain_name_rule =
    "a name is 1 to 64 letters, digits, '_', '-' or '.', and starts with none of the last two";

/// "host:port" or "[v6]:port" with a port that others can dial.
bool is_address(std::string_view address);
inline constexpr std::string_view address_rule =
    "\"host:port\" or \"[v6]:port\" with a port of 1 to 65535";

/// "name@host:port". Code::invalid with what was expected.
Result<Contact> parse_contact(std::string_view text);

/// IPv4 or IPv6, no port.
bool is_local_address(std::string_view address);

/// "1 MiB", "64KiB", "4096" to bytes; nullopt if it is none of them or too large to count.
std::optional<std::uint64_t> parse_size(std::string_view text);

}  // namespace squall
