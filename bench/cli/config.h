#pragma once
// `squall config`: the configuration in effect, or what may stand in one.

#include <string>
#include <vector>

#include "groups/config_load.h"

namespace squall::cli {

struct ConfigOptions {
  std::string config = {};         ///< a file; empty: none
  std::vector<KeyText> keys = {};  ///< flags
  bool reference = false;          ///< all keys instead, whatever is configured
};

/// Prints; gives the exit status: 0, or 2 for a configuration that cannot be right.
int show_config(const ConfigOptions& options);

}  // namespace squall::cli
