#include "bench/replicate/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "bench/replicate/member.h"

namespace squall::replicate {
namespace {

/// What one member is told of itself, and of whom to meet.
constexpr std::string_view of_one_member[] = {"node.name", "node.listen", "node.start"};
/// For the pieces of files that are under way: enough to keep everyone busy. More makes it slower,
/// once it is more than the caches hold.
constexpr std::size_t large_memory_bytes = std::size_t{32} << 20;
constexpr std::string_view contacts = "node.contacts";
constexpr std::string_view contacts_variable = "SQUALL_NODE_CONTACTS=";

bool names_contacts(const Options& options, const std::vector<std::string>& environment) {
  return !options.config.empty() ||
         std::ranges::find(options.keys, contacts, &KeyText::path) != options.keys.end() ||
         std::ranges::any_of(environment, [](const std::string& variable) {
           return variable.starts_with(contacts_variable);
         });
}

Result<> check_here(const Options& options) {
  if (options.paths.empty()) return fail(Code::invalid, "nothing to replicate", "name a PATH");
  for (const KeyText& key : options.keys)
    if (std::ranges::find(of_one_member, key.path) != std::end(of_one_member))
      return fail(
          Code::invalid,
          fmt::format("{} is of one member of several hosts, and no contacts are named", key.place),
          "--config FILE, or --node-contacts NAME@HOST:PORT,...");
  return {};
}

}  // namespace

Result<Settled> settle(const Options& options, std::vector<std::string> environment) {
  Settled settled;
  settled.across_hosts = names_contacts(options, environment);
  ConfigSources sources;
  sources.defaults.groups = {
      {.name = std::string(files_group), .large_memory = large_memory_bytes}};
  sources.file = options.config;
  sources.environment = std::move(environment);
  sources.flags = options.keys;
  if (!settled.across_hosts) {
    if (auto checked = check_here(options); !checked) return tl::unexpected(checked.error());
    sources.defaults.provider = "shm";
  } else {
    if (!options.kill.empty())
      return fail(Code::invalid, "--kill is of members on this host, and contacts are named");
    if (options.join) sources.flags.push_back({"node.start", "join", "--join"});
  }
  auto loaded = load_config(sources);
  if (!loaded) return tl::unexpected(loaded.error());
  settled.config = std::move(loaded->config);
  settled.config.engine_thread = false;
  if (settled.across_hosts && settled.config.name.empty())
    return fail(Code::invalid, "which member is this?", "--name NAME");
  if (!options.stack.empty())
    std::ranges::find(settled.config.groups, files_group, &GroupConfig::name)->stack =
        options.stack;
  return settled;
}

}  // namespace squall::replicate
