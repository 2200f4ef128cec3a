#pragma once
// What a node is started with. Plain data with usable defaults, to be filled in code or loaded from
// a file, the environment and flags (config_load.h has all of that). Section 10 of the design; the
// reference of keys is in README.md.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/time.h"
#include "core/membership/layout.h"

namespace squall {

/// A member that the configuration names. For those who start together the contacts are the first
/// view, and their order is its rank order, the same at every member.
struct Contact {
  std::string name;
  std::string address;  ///< rendezvous, "host:port" or "[v6]:port"
};

/// Runs what it is given, once, when and where it likes: on a pool of threads, an event loop.
using Executor = std::function<void(std::function<void()>)>;

/// How a node comes to be in its group.
enum class Start : std::uint8_t {
  together,   ///< with all contacts: they are the first view, formed by all of them or not at all
  create,     ///< alone: a new group, which others join
  join,       ///< into a group that is running, through whichever contact is in it
  automatic,  ///< join; but the first of the contacts creates the group if all others say that
              ///< there is none
};

/// How the blocks of a large object travel among the members: core/multicast/bulk/schedule.h.
enum class Schedule : std::uint8_t {
  automatic,          ///< whichever is the quickest for so many members and bytes on this fabric
  sequential,         ///< from its sender to one after the other
  chain,              ///< from each to the next
  binomial_tree,      ///< whoever has all of it passes it on
  binomial_pipeline,  ///< in the fewest steps there can be
};

struct GroupConfig {
  std::string name;
  std::string stack = "total | stable";
  std::vector<std::string> senders = {};  ///< names; empty: every member
  /// Per sender; a power of two, at least 4096. With half of that, streams of long messages wait
  /// for the other end to have taken a lap (`squall bench throughput --ring`).
  std::size_t ring_bytes = std::size_t{2} << 20;

  // Of messages too long for a ring: large objects. At every member the same.
  std::size_t large_memory = std::size_t{1}
                             << 30;                ///< for those sent, and as much for those coming
  std::size_t block_bytes = std::size_t{1} << 20;  ///< in which they travel; a power of two
  Schedule schedule = Schedule::automatic;         ///< among whom, in which order

  // Which members the group is on; all, if nothing says otherwise. At every member the same.
  std::vector<std::string> members = {};  ///< names: those of them that are there
  std::size_t shards = 0;                 ///< by count: so many shards...
  std::size_t replicas = 0;               ///< ...of so many members each
  /// In code, with `shards` shards (1 if that is 0): see core/membership/layout.h.
  membership::Layout layout = {};
};

struct Config {
  /// From the TOML file at `path` (empty: none) and the environment, which goes over it. The error
  /// says where what is wrong (file and line, or variable), what was expected, and the nearest
  /// known key: Code::io if the file cannot be read, else Code::invalid or Code::too_large.
  static Result<Config> load(const std::string& path);

  /// The same, and flags over both: takes "--node-...", "--fabric-..." and "--group-..." with their
  /// values out of argv; everything else, and whatever follows a "--", is left for the application.
  /// With a prefix like "squall-" they are "--squall-node-...", and nothing else is touched. An
  /// error leaves argc and argv as they were.
  static Result<Config> load(const std::string& path, int& argc, char** argv,
                             std::string_view flag_prefix = {});

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
  /// In code: where upcalls run (deliver, view, membership, post, stopped, state), one after the
  /// other in one order, but those of replicated objects. They may take their time: each gets a
  /// copy of its message, and when 16 MiB wait, the others' rings push back. Empty: upcalls run
  /// where the node turns, and must not block.
  Executor executor = {};
  int listen_fd = -1;  ///< an inherited, already listening socket, for launchers

  // [fabric]
  std::string provider = "auto";
  std::string fabric_address;  ///< local address to bind; empty: the host part of `listen`
  /// Of one link between two members, for Schedule::automatic; 0: as usual of such a fabric.
  /// `squall bench cost` measures both. Only the sender's count, of both or of one.
  std::size_t link_latency_ns = 0;
  std::size_t link_bytes_per_second = 0;

  // [group.NAME]
  std::vector<GroupConfig> groups;
};

}  // namespace squall
