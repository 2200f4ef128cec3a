// Configuration files of any content: each is a configuration or an error that names the file.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/assert.h"
#include "groups/config_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = squall::parse_config(text, "fuzz.toml");
  SQUALL_ASSERT(config || config.error().what.find("fuzz.toml") != std::string::npos,
                "an error names the file");
  return 0;
}
