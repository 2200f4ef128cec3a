#pragma once
// What one place says of one key: all places are read into a list of these, then applied in order.

#include <string>
#include <vector>

#include "groups/config_given.h"
#include "groups/config_keys.h"
#include "groups/config_load.h"

namespace squall {

struct Setting {
  const ConfigKey* key = nullptr;
  std::string group = {};  ///< of a group's key, else empty
  Given given = {};
  Origin origin = {};
};

/// The names of groups, and who may add to them.
struct GroupNames {
  std::vector<std::string> known;
  /// Nobody else has declared any: variables and flags may.
  bool open = false;
};

}  // namespace squall
