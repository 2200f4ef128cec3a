#include "bench/cli/config.h"

#include <fmt/format.h>

#include <cstdio>

#include "groups/config_print.h"

namespace squall::cli {

int show_config(const ConfigOptions& options) {
  if (options.reference) {
    fmt::print("{}", reference_text());
    return 0;
  }
  const auto loaded = load_config(
      {.file = options.config, .environment = read_environment(), .flags = options.keys});
  if (!loaded) {
    fmt::print(stderr, "squall: {}\n", loaded.error().text());
    return 2;
  }
  fmt::print("{}", effective_toml(*loaded));
  return 0;
}

}  // namespace squall::cli
