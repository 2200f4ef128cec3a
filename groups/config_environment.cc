#include "groups/config_environment.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "groups/config_values.h"

namespace squall {
namespace {

/// Ours, and no keys: the level of the log (core/base/log.h).
constexpr std::array<std::string_view, 1> no_keys{"SQUALL_LOG"};
/// What tests tell themselves; programs that they start have it in their environment, too.
constexpr std::string_view tests_prefix = "SQUALL_TEST_";
constexpr std::size_t max_guessed_bytes = 100;

std::string group_prefix() {
  return fmt::format("{}GROUP_", variable_prefix);
}

bool is_ours(std::string_view variable) {
  return variable.starts_with(variable_prefix) && !variable.starts_with(tests_prefix) &&
         std::ranges::find(no_keys, variable) == no_keys.end();
}

std::string in_lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

tl::unexpected<Error> unknown(std::string_view variable, const GroupNames& groups) {
  std::vector<std::string> known;
  const std::string front = group_prefix();
  for (const ConfigKey& key : config_keys()) {
    known.push_back(key.variable(any_group));
    if (!key.of_group()) continue;
    for (const std::string& group : groups.known) known.push_back(key.variable(group));
    // Wherever the group's name may end in what was written.
    if (groups.open && variable.starts_with(front) && variable.size() <= max_guessed_bytes)
      for (auto at = variable.find('_', front.size()); at != variable.npos;
           at = variable.find('_', at + 1))
        known.push_back(key.variable(variable.substr(front.size(), at - front.size())));
  }
  const std::string guess = did_you_mean(variable, known);
  return fail(Code::invalid, fmt::format("unknown variable {}", clipped(variable)),
              guess.empty() ? suggestion({}, known) : guess);
}

/// Which group a variable means by `name`.
Result<std::string> group_of(std::string_view variable, std::string_view name, GroupNames& groups) {
  std::vector<std::string> meant;
  for (const std::string& group : groups.known)
    if (in_variables(group) == name) meant.push_back(group);
  if (meant.size() > 1)
    return fail(Code::invalid,
                fmt::format("{} may mean any of the groups {}", variable, fmt::join(meant, ", ")),
                "set it in the file, or as a flag, which has the group's name as it is");
  if (!meant.empty()) return meant.front();
  const std::string declared = in_lower_case(name);
  if (!groups.open) {
    const std::string guess = did_you_mean(declared, groups.known);
    return fail(
        Code::invalid, fmt::format("{}: there is no group '{}'", variable, declared),
        fmt::format("{}{}there {} {}; another one is declared in the file: [group.{}]", guess,
                    guess.empty() ? "" : " ", groups.known.size() == 1 ? "is" : "are",
                    fmt::join(groups.known, ", "), declared));
  }
  if (in_variables(declared) != name || !is_plain_name(declared))
    return fail(Code::invalid, fmt::format("{}: {} cannot be a group", variable, in_quotes(name)),
                "in a variable its name is in upper case, with '_' for '-' and '.'");
  groups.known.push_back(declared);
  return declared;
}

}  // namespace

Result<std::vector<Setting>> environment_settings(std::vector<std::string> variables,
                                                  GroupNames& groups) {
  // The system keeps them in no order.
  std::ranges::sort(variables);
  std::vector<Setting> settings;
  for (const std::string& entry : variables) {
    const auto equals = std::min(entry.find('='), entry.size());
    const std::string variable = entry.substr(0, equals);
    if (!is_ours(variable)) continue;
    Setting setting;
    for (const ConfigKey& key : config_keys()) {
      if (!key.of_group()) {
        if (key.variable({}) == variable) setting.key = &key;
        continue;
      }
      const std::string front = group_prefix();
      const std::string back = "_" + in_variables(key.name);
      if (variable.size() <= front.size() + back.size() || !variable.starts_with(front) ||
          !variable.ends_with(back))
        continue;
      auto group = group_of(variable,
                            std::string_view(variable).substr(
                                front.size(), variable.size() - front.size() - back.size()),
                            groups);
      if (!group) return tl::unexpected(group.error());
      setting.key = &key;
      setting.group = std::move(*group);
    }
    if (setting.key == nullptr) return unknown(variable, groups);
    setting.given.text = entry.substr(std::min(equals + 1, entry.size()));
    setting.origin = {Origin::Kind::variable, variable};
    settings.push_back(std::move(setting));
  }
  return settings;
}

std::vector<std::string> read_environment() {
  std::vector<std::string> found;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry)
    if (std::string_view(*entry).starts_with(variable_prefix)) found.emplace_back(*entry);
  return found;
}

}  // namespace squall
