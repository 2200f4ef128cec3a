#pragma once
// The table of all keys of a configuration: whatever reads one (from a file, a variable, a flag),
// prints one or documents one goes through it, so that a new key is one more row in config_keys.cc.
// Pure.

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "groups/config.h"
#include "groups/config_given.h"

namespace squall {

struct ConfigKey {
  std::string section;  ///< "node", "fabric", or "group", which every group has for itself
  std::string name;
  std::string type;  ///< what is expected
  std::string meaning;
  std::string unset;  ///< what holds where it is not set, if its default is no value
  /// Puts a value where it belongs. The group is that of a key in "group", else nullptr.
  std::function<Fit<void>(Config&, GroupConfig*, const Given&)> read;
  /// As TOML; empty: not set.
  std::function<std::string(const Config&, const GroupConfig*)> print;

  bool of_group() const { return section == "group"; }
  /// "node.name", "group.ticks.stack".
  std::string path(std::string_view group) const;
  /// "SQUALL_NODE_NAME", "SQUALL_GROUP_TICKS_STACK".
  std::string variable(std::string_view group) const;
  /// "--node-name", "--group-ticks-stack".
  std::string flag(std::string_view group) const;
  /// As TOML, of a configuration that says nothing; empty: see `unset`.
  std::string default_value() const;
};

/// In the order in which they are printed; sections stand together.
std::span<const ConfigKey> config_keys();

/// nullptr if there is none.
const ConfigKey* find_key(std::string_view section, std::string_view name);

/// What stands for a group's name in documentation.
inline constexpr std::string_view any_group = "NAME";

inline constexpr std::string_view variable_prefix = "SQUALL_";

/// A group's name as it stands in variables: in upper case, '-' and '.' as '_'.
std::string in_variables(std::string_view name);

}  // namespace squall
