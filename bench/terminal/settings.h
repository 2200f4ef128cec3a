#pragma once
// What a member by hand is started with, and the configuration that this makes. Pure but for
// reading the file.

#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/time.h"
#include "groups/config.h"

namespace squall::terminal {

/// The group of a member that is started without a file.
inline constexpr const char* default_group = "lines";

struct Options {
  Start start = Start::join;  ///< or create
  std::string config;         ///< a file; what follows goes over it, where it is not empty
  std::string name;
  std::string listen;
  std::vector<std::string> contacts;  ///< "name@host:port"
  std::string fabric;
  std::string stack;
  std::string group;                ///< which group is typed into; empty: the file's first
  unsigned failure_timeout_ms = 0;  ///< 0: the file's, or the default
  unsigned start_timeout_ms = 0;    ///< the same
};

/// Which group is typed into, of a settled configuration.
inline const std::string& typed_group(const Options& options, const Config& config) {
  return options.group.empty() ? config.groups.front().name : options.group;
}

/// Code::invalid with what is missing.
Result<Config> settle(const Options& options);

}  // namespace squall::terminal
