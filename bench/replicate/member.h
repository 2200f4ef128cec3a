#pragma once
// One member of a replication, from the started node to equal digests everywhere. Two groups: the
// sender's records in `files`; in `status` every member says how it ended, so that one that fails
// (a full disk, a file that changed) stops the others with its message. A member that dies is not
// waited for, unless it is the sender; one that joins gets what was written before it came, and one
// that is awaited finds the others there.
// Turns a poll-driven node; one thread.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench/replicate/walk.h"
#include "core/base/error.h"
#include "core/base/time.h"
#include "groups/config.h"
#include "groups/node.h"

namespace squall::replicate {

inline constexpr std::string_view files_group = "files";
inline constexpr std::string_view status_group = "status";

/// Replaces the groups of `config` by these two. The stack, ring and sender of `files` are taken
/// over where the configuration has it; the sender is the first contact otherwise. Gives its name.
Result<std::string> set_groups(Config& config);

struct Job {
  std::string sender;           ///< the name of the member that sends
  std::vector<Source> sources;  ///< read by the sender only
  std::string out;
  std::string awaits;  ///< it does not end before a member of this name has been in; empty: nobody
};

struct Summary {
  std::string fabric;
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;  ///< of files
  std::uint64_t messages = 0;
  std::uint64_t skipped = 0;  ///< at the sender
  double seconds = 0;         ///< from the first record to everybody's digest
  std::string digest;         ///< of all records, in order
  bool sender = false;
  /// At the sender: from the commit of a record to its own delivery, stable.
  Duration latency_p50{0};
  Duration latency_p99{0};
};

/// Looked at about ten times a second.
class Watcher {
 public:
  virtual ~Watcher() = default;
  virtual void progress(std::uint64_t files, std::uint64_t bytes) = 0;
  /// As it happens, in order with the records.
  virtual void view(const ViewChange& change) = 0;
  virtual bool cancelled() = 0;
};

struct Trouble {
  Error error;
  std::string caused_by;  ///< whose failure this is; empty: this one's own
};

/// Leaves the node in good order either way, within a few seconds.
tl::expected<Summary, Trouble> run_member(Node& node, const Job& job, Watcher& watcher);

}  // namespace squall::replicate
