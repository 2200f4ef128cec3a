#pragma once
// A configuration for people: the values in effect, and the reference of all keys. Pure.

#include <string>

#include "groups/config_load.h"

namespace squall {

/// Valid TOML, with a comment on each line that says where the value came from. Keys that are not
/// set are comments. Loaded again, without flags and variables, it gives the same configuration.
std::string effective_toml(const LoadedConfig& loaded);

/// Every key with its variable, flag, type, default and meaning, for a terminal.
std::string reference_text();

/// The same as a table in Markdown, for README.md.
std::string reference_markdown();

}  // namespace squall
