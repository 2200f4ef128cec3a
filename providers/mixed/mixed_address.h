#pragma once
// The address of several fabrics in one: whose host it is, and the fabrics' names and addresses.
// Pure; it comes from a peer, so it is checked before anything of it is believed.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/digest.h"

namespace squall::mixed {

struct Address {
  static constexpr std::size_t most_bytes = 512;  ///< core/fabric/fabric.h
  static constexpr std::size_t most_parts = 8;
  static constexpr std::size_t most_name_bytes = 64;

  struct Part {
    std::string fabric;
    std::string address;
    bool operator==(const Part&) const = default;
  };

  Digest::Value host{};  ///< equal where memory can be shared
  std::vector<Part> parts{};
  bool operator==(const Address&) const = default;
};

/// What stands for a host's identity, which may be long.
Digest::Value host_digest(std::string_view identity);

/// Empty if it is longer than most_bytes.
std::string encode(const Address& address);
/// nullopt: of another version, cut short, over a limit, a name twice, or bytes left over.
std::optional<Address> decode_address(std::string_view text);

}  // namespace squall::mixed
