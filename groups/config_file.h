#pragma once
// Reads a Config from TOML (section 10 of the design). Everything that cannot be right is an error
// that names file and line, says what was expected, and for an unknown key the nearest known one.
// One file serves every host: `[node] name` may be absent and is then chosen with `choose_name`.

#include <string_view>

#include "core/base/error.h"
#include "groups/config.h"

namespace squall {

/// Code::io if the file cannot be read, Code::invalid for anything wrong in it.
Result<Config> load_config(std::string_view path);

/// The same from text; `source_name` stands for the file in errors.
Result<Config> parse_config(std::string_view text, std::string_view source_name);

/// Makes `config` that of member `name`, over what the file said. Code::invalid, with the names
/// there are, if it is none of the contacts of a group that starts together.
Result<> choose_name(Config& config, std::string_view name);

/// "name@host:port", as in a file and on command lines. Code::invalid with what was expected.
Result<Contact> parse_contact(std::string_view text);

}  // namespace squall
