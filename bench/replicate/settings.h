#pragma once
// What a replication is started with, and the configuration that this makes. Pure but for reading
// the file.

#include <string>
#include <vector>

#include "core/base/error.h"
#include "groups/config.h"
#include "groups/config_load.h"

namespace squall::replicate {

struct Options {
  std::vector<std::string> paths = {};
  std::string out = {};
  std::string stack = {};          ///< empty: what the configuration says
  std::vector<KeyText> keys = {};  ///< flags, with the place they have on the command line
  // on this host
  unsigned members = 3;
  std::string kill = {};  ///< in the middle: this member, with SIGKILL; empty: nobody
  // across hosts
  std::string config = {};
  /// This member comes to a replication that runs. On this host: one more does, in the middle.
  bool join = false;
};

struct Settled {
  /// Has the group of files, beside those of the file.
  Config config;
  /// One member of those that the contacts name. Otherwise all of them are started here, and get
  /// names and addresses then.
  bool across_hosts = false;
};

/// `environment` is that of load_config. Code::invalid with what is missing, or does not go
/// together.
Result<Settled> settle(const Options& options, std::vector<std::string> environment);

}  // namespace squall::replicate
