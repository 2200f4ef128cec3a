#pragma once
// Makes a Config of one TOML file, environment variables, command-line flags and defaults, and
// remembers where each value came from. The same keys everywhere (README.md lists them):
//
//   [fabric] provider = "tcp"     SQUALL_FABRIC_PROVIDER=tcp       --fabric-provider tcp
//   [group.ticks] stack = "fifo"  SQUALL_GROUP_TICKS_STACK=fifo    --group-ticks-stack=fifo
//
// Flags go over the environment, that over the file, that over the defaults. Lists are text with
// commas in variables and flags. Whatever cannot be right, in whichever place, also where another
// one goes over it, is an error that says where, what was expected, and the nearest known key.
//
// Groups. Those that the file (or the application) has are what variables and flags can change;
// where it has none, variables and flags declare them. A flag has the group's name as it is. A
// variable has it in upper case with '_' for '-' and '.'; where two groups would have the same
// variable it is refused, and a group that a variable declares has its name in lower case.
//
// Most programs need no more than Config::load. Functions of this file may be called from any
// thread, but read_environment not while another one changes the environment.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "groups/config.h"

namespace squall {

/// Where a value came from.
struct Origin {
  enum class Kind : std::uint8_t { defaults, file, variable, flag };
  Kind kind = Kind::defaults;
  /// "squall.toml:3", "SQUALL_NODE_NAME", "--node-name"; for people.
  std::string place = "default";

  /// "default", "squall.toml:3", "variable SQUALL_NODE_NAME", "flag --node-name".
  std::string text() const;
};

/// For each key where its value came from. Plain data beside a Config.
class Origins {
 public:
  /// By a key's path: "node.name", "group.ticks.stack".
  const Origin& of(std::string_view path) const;
  void set(std::string path, Origin origin);

 private:
  std::map<std::string, Origin, std::less<>> origins_;
};

struct LoadedConfig {
  Config config;
  Origins origins;
};

/// A key's value as a flag gives it.
struct KeyText {
  std::string path;   ///< "node.name", "group.ticks.stack"
  std::string text;   ///< its value
  std::string place;  ///< the flag, for errors and Origin: "--node-name"

  friend bool operator==(const KeyText&, const KeyText&) = default;
};

struct ConfigSources {
  Config defaults = {};                       ///< the application's own, the groups that it has too
  std::string file = {};                      ///< its path; empty: none
  std::optional<std::string> content = {};    ///< the file's, where it is not to be read from disk
  std::vector<std::string> environment = {};  ///< "NAME=value"; others than SQUALL_... are ignored
  std::vector<KeyText> flags = {};            ///< each key once
};

/// Code::io if the file cannot be read, Code::too_large over 1 MiB, Code::invalid for anything
/// wrong anywhere.
Result<LoadedConfig> load_config(const ConfigSources& sources);

/// What this process has in its environment: the variables SQUALL_... as "NAME=value".
std::vector<std::string> read_environment();

/// Takes those flags out of a command line that are Squall's: words that begin with "--node-",
/// "--fabric-" or "--group-" (with a prefix of "squall-": with "--squall-"), each with the value
/// after '=' or in the next word, up to a word "--". All others are left, in their order.
/// Code::invalid, and `words` as they were, for an unknown key, a flag without its value, or the
/// same key twice.
Result<std::vector<KeyText>> take_flags(std::vector<std::string>& words,
                                        std::string_view prefix = {});

/// All flags, "--node-name" and so on, those of groups with NAME: for help and suggestions.
std::vector<std::string> known_flags();

}  // namespace squall
