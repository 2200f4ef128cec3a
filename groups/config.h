#pragma once
// What a node is started with. Plain data with usable defaults; `config_file.h` reads it from
// TOML. Section 10 of the design; the reference of keys is in README.md.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.h"

namespace squall {

/// A member that the configuration names. For those who start together the contacts are the first
/// view, and their order is its rank order, the same at every member.
struct Contact {
  std::string name;
  std::string address;  ///< rendezvous, "host:port" or "[v6]:port"
};

/// How a node comes to be in its group.
enum class Start : std::uint8_t {
  together,   ///< with all contacts: they are the first view, formed by all of them or not at all
  create,     ///< alone: a new group, which others join
  join,       ///< into a group that is running, through whichever contact is in it
  automatic,  ///< join; but the first of the contacts creates the group if all others say that
              ///< there is none
};

/// "together", "create", "join" or "auto", as configurations and command lines say it.
std::optional<Start> parse_start(std::string_view text);

struct GroupConfig {
  std::string name;
  std::string stack = "total | stable";
  std::vector<std::string> senders = {};          ///< names; empty: every member
  std::size_t ring_bytes = std::size_t{1} << 20;  ///< per sender; a power of two, at least 4096
};

struct Config {
  // [node]
  std::string name;
  /// Empty: this node's own contact address. A joiner that has none, and is no contact, does not
  /// listen: nobody can join through it.
  std::string listen;
  /// Together: the members, this one included. Otherwise: whom to ask; this node may be among them.
  std::vector<Contact> contacts;
  Start start = Start::together;
  Duration start_timeout = std::chrono::seconds(10);  ///< for everyone to be there, or to be let in
  /// Of silence, until a member is suspected; at every member the same. A heartbeat goes out ten
  /// times as often. Presets: 200 ms is "fast", 2 s is "safe" (core/membership/timing.h).
  Duration failure_timeout = std::chrono::milliseconds(200);
  /// False: a member's loss stops the others with an error that names it. True: they go on in the
  /// next view, as long as they are a majority of the last (of an even split, the half with rank
  /// 0: a group of two survives only the loss of rank 1).
  bool survive_losses = true;
  bool engine_thread = false;  ///< false: the application turns the node with poll()
  int listen_fd = -1;          ///< an inherited, already listening socket, for launchers

  // [fabric]
  std::string provider = "auto";
  std::string fabric_address;  ///< local address to bind; empty: the host part of `listen`

  // [group.NAME]
  std::vector<GroupConfig> groups;
};

}  // namespace squall
