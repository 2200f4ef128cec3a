#pragma once
// What a member by hand is started with, and the configuration that this makes. Pure but for
// reading the file and the environment.

#include <string>
#include <vector>

#include "core/base/error.h"
#include "groups/config.h"
#include "groups/config_load.h"

namespace squall::terminal {

/// The group of a member that is started without a file.
inline constexpr const char* default_group = "lines";

struct Options {
  Start start = Start::join;  ///< or create
  std::string config = {};    ///< a file; the environment goes over it, and what follows over both
  std::vector<KeyText> keys = {};  ///< flags, with the place they have on the command line
  std::string stack = {};          ///< of the group that is typed into
  std::string group = {};          ///< which group is typed into; empty: the first
};

/// Which group is typed into, of a settled configuration.
inline const std::string& typed_group(const Options& options, const Config& config) {
  return options.group.empty() ? config.groups.front().name : options.group;
}

/// Code::invalid with what is missing.
Result<Config> settle(const Options& options);

}  // namespace squall::terminal
