#pragma once
// A configuration file's text to settings (section 10 of the design). What is no TOML, a section or
// a key that is not known is an error here; what a value must be is for the key to say.

#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "groups/config_setting.h"

namespace squall {

struct FileSettings {
  std::vector<std::string> groups;  ///< in the file's order, those without any key too
  std::vector<Setting> settings;
};

/// Code::invalid with `name`, which stands for the file, and the line.
Result<FileSettings> read_file_text(std::string_view text, std::string_view name);

/// The whole file, at most 1 MiB.
Result<std::string> read_file(const std::string& path);

}  // namespace squall
