#pragma once
// `squall replicate`: starts the members on this host, or is one member of several hosts.

#include <string>
#include <vector>

namespace squall::replicate {

struct Options {
  std::vector<std::string> paths;
  std::string out;
  // on this host
  unsigned members = 3;
  std::string fabric;  ///< empty: shm here, what the configuration says across hosts
  std::string stack;   ///< empty: the default
  std::string kill;    ///< in the middle: this member, with SIGKILL; empty: nobody
  // across hosts
  std::string config;
  std::string name;
  std::string listen;  ///< empty: what the configuration says
  /// This member comes to a replication that runs. On this host: one more does, in the middle.
  bool join = false;
};

/// Prints what people need; gives the exit status: 0, 1 for a failed run or where fewer members
/// than were asked for hold everything, 2 for wrong arguments.
int replicate(const Options& options);

/// What a member that `replicate` started runs.
int replicate_as_member();

}  // namespace squall::replicate
