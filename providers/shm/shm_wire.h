#pragma once
// The packets that two peers exchange over their unix socket, and how they are read from bytes
// that may be anything. The first three fields of a hello never change between wire versions, so
// that a peer of another version can be told so.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/fabric/fabric.h"

namespace squall::shm {

inline constexpr std::uint32_t hello_magic = 0x6d687153;  // "Sqhm"
inline constexpr std::uint32_t wire_version = 4;
inline constexpr std::string_view address_prefix = "squall-shm-";

enum class PacketKind : std::uint8_t {
  hello = 1,  ///< dialler first, answered in kind. Descriptors: doorbell, control, link
  want,       ///< please hand me `region`, of which I read the first `bytes`
  grant,      ///< here it is. Descriptor: the region's memory
  attached,   ///< I have mapped `region`
  bye,        ///< I cut the link because of `reason`
  release,    ///< I want no more of `region`
};

struct Hello {
  std::uint32_t version = wire_version;
  fabric::Ticket ticket{};
};

struct Control {
  PacketKind kind{};
  fabric::RegionId region{};
  std::uint64_t bytes = 0;  ///< of want
  std::string reason{};     ///< of bye: printable, at most 300 characters
};

std::vector<std::byte> encode(const Hello& hello);
std::vector<std::byte> encode(const Control& control);

/// nullopt: not a hello at all. Of another version only `version` and `ticket` are meant.
std::optional<Hello> parse_hello(Bytes bytes);
std::optional<Control> parse_control(Bytes bytes);

/// "squall-shm-" and 32 hexadecimal digits, from the kernel's random numbers.
std::string random_address();
bool is_address(std::string_view text);

/// The secret is compared without an early way out.
bool same(const fabric::Ticket& a, const fabric::Ticket& b);

}  // namespace squall::shm
