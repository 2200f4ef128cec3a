#include "bench/terminal/settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace squall::terminal {
namespace {

/// Who creates a group without naming contacts is all that it knows of it.
Result<> set_contacts(Config& config) {
  if (!config.contacts.empty()) return {};
  if (config.start == Start::join)
    return fail(Code::invalid, "nobody is named who could let this member in",
                "--contact NAME@HOST:PORT, or --config FILE");
  if (config.listen.empty())
    return fail(Code::invalid, "nobody could find this member", "--listen HOST:PORT");
  config.contacts.push_back({config.name, config.listen});
  return {};
}

Result<> set_group(Config& config, const Options& options) {
  if (config.groups.empty())
    config.groups.push_back({.name = options.group.empty() ? default_group : options.group});
  if (options.group.empty()) {
    if (!options.stack.empty()) config.groups.front().stack = options.stack;
    return {};
  }
  const auto found = std::ranges::find(config.groups, options.group, &GroupConfig::name);
  if (found == config.groups.end()) {
    std::vector<std::string> names;
    for (const GroupConfig& group : config.groups) names.push_back(group.name);
    return fail(Code::invalid, fmt::format("there is no group '{}'", options.group),
                fmt::format("the configuration has {}", fmt::join(names, ", ")));
  }
  if (!options.stack.empty()) found->stack = options.stack;
  return {};
}

}  // namespace

Result<Config> settle(const Options& options) {
  ConfigSources sources;
  sources.file = options.config;
  sources.environment = read_environment();
  sources.flags = options.keys;
  const bool creates = options.start == Start::create;
  sources.flags.push_back(
      {"node.start", creates ? "create" : "join", creates ? "squall create" : "squall join"});
  auto loaded = load_config(sources);
  if (!loaded) return tl::unexpected(loaded.error());
  Config config = std::move(loaded->config);
  config.engine_thread = false;
  if (config.name.empty()) return fail(Code::invalid, "which member is this?", "--name NAME");
  if (auto set = set_contacts(config); !set) return tl::unexpected(set.error());
  if (auto set = set_group(config, options); !set) return tl::unexpected(set.error());
  return config;
}

}  // namespace squall::terminal
