// Files, variables and command lines of any content: each is a configuration, which is the same
// again when it is printed and loaded, or an error that names the place.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/assert.h"
#include "groups/config_load.h"
#include "groups/config_print.h"

namespace {

/// The words of one part of the input; like arguments and variables they have no NUL inside.
std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const auto end = std::min(text.find('\0'), text.size());
    out.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

/// Takes the text before the next byte that stands in no TOML and in no UTF-8.
std::string_view part(std::string_view& text) {
  const auto end = std::min(text.find('\xff'), text.size());
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return taken;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  squall::ConfigSources sources{.file = "fuzz.toml", .content = std::string(part(text))};
  std::vector<std::string> line = words(part(text));
  // The rest may have that byte in it.
  for (std::string& variable : words(text)) sources.environment.push_back("SQUALL_" + variable);

  const std::vector<std::string> before = line;
  auto flags = squall::take_flags(line);
  if (!flags) {
    SQUALL_ASSERT(line == before, "a command line that is wrong stays as it was");
    SQUALL_ASSERT(flags.error().what.find("--") != std::string::npos, "an error names the flag");
  } else {
    sources.flags = std::move(*flags);
  }
  const auto loaded = squall::load_config(sources);
  if (!loaded) {
    const std::string& what = loaded.error().what;
    SQUALL_ASSERT(what.find("fuzz.toml") != std::string::npos ||
                      what.find("SQUALL_") != std::string::npos ||
                      what.find("--") != std::string::npos,
                  "an error names the file, the variable or the flag");
    return 0;
  }
  const std::string printed = squall::effective_toml(*loaded);
  const auto again = squall::load_config({.file = "again.toml", .content = printed});
  SQUALL_ASSERT(again, "what is printed can be loaded");
  // But for the comments, which say where it came from now.
  const auto twice =
      squall::load_config({.file = "again.toml", .content = squall::effective_toml(*again)});
  SQUALL_ASSERT(twice && squall::effective_toml(*twice) == squall::effective_toml(*again),
                "and is the same again");
  return 0;
}
