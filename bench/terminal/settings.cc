#include "bench/terminal/settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "groups/config_file.h"

namespace squall::terminal {
namespace {

Result<> set_contacts(Config& config, const Options& options) {
  if (!options.contacts.empty()) config.contacts.clear();
  for (const std::string& word : options.contacts) {
    auto contact = parse_contact(word);
    if (!contact) return tl::unexpected(contact.error());
    config.contacts.push_back(std::move(*contact));
  }
  if (!config.contacts.empty()) return {};
  if (options.start == Start::join)
    return fail(Code::invalid, "nobody is named who could let this member in",
                "--contact NAME@HOST:PORT, or --config FILE");
  // Who creates a group without a file is all that it knows of it.
  auto self = parse_contact(fmt::format("{}@{}", config.name, config.listen));
  if (!self) return fail(Code::invalid, self.error().what, "--listen HOST:PORT");
  config.contacts.push_back(std::move(*self));
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
  Config config;
  if (!options.config.empty()) {
    auto loaded = load_config(options.config);
    if (!loaded) return tl::unexpected(loaded.error());
    config = std::move(*loaded);
  }
  config.start = options.start;
  config.engine_thread = false;
  if (!options.name.empty())
    if (auto chosen = choose_name(config, options.name); !chosen)
      return tl::unexpected(chosen.error());
  if (config.name.empty()) return fail(Code::invalid, "which member is this?", "--name NAME");
  if (!options.listen.empty()) config.listen = options.listen;
  if (auto set = set_contacts(config, options); !set) return tl::unexpected(set.error());
  if (!options.fabric.empty()) config.provider = options.fabric;
  if (options.failure_timeout_ms != 0)
    config.failure_timeout = std::chrono::milliseconds(options.failure_timeout_ms);
  if (options.start_timeout_ms != 0)
    config.start_timeout = std::chrono::milliseconds(options.start_timeout_ms);
  if (auto set = set_group(config, options); !set) return tl::unexpected(set.error());
  return config;
}

}  // namespace squall::terminal
