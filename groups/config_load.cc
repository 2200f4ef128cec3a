#include "groups/config_load.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "groups/config_environment.h"
#include "groups/config_file.h"
#include "groups/config_setting.h"
#include "groups/config_values.h"

namespace squall {
namespace {

/// "squall.toml:3: " or "--node-name: ", and what is wrong there.
tl::unexpected<Error> wrong(const Origin& origin, std::string what, std::string remedy) {
  return fail(Code::invalid, fmt::format("{}: {}", origin.place, what), std::move(remedy));
}

/// A list may have more lines than the one it begins in.
Origin at_line(Origin origin, std::size_t line) {
  if (origin.kind == Origin::Kind::file && line != 0)
    origin.place = fmt::format("{}:{}", origin.place.substr(0, origin.place.rfind(':')), line);
  return origin;
}

GroupConfig* find_group(Config& config, std::string_view name) {
  const auto found = std::ranges::find(config.groups, name, &GroupConfig::name);
  return found == config.groups.end() ? nullptr : &*found;
}

Result<Setting> setting_of(const KeyText& flag, GroupNames& groups) {
  Setting setting{.given = {.text = flag.text}, .origin = {Origin::Kind::flag, flag.place}};
  const auto dot = flag.path.find('.');
  const auto last = flag.path.rfind('.');
  const std::string section = flag.path.substr(0, dot);
  if (dot != std::string::npos) setting.key = find_key(section, flag.path.substr(last + 1));
  if (setting.key != nullptr && setting.key->of_group() && dot < last)
    setting.group = flag.path.substr(dot + 1, last - dot - 1);
  if (setting.key == nullptr || setting.key->path(setting.group) != flag.path ||
      setting.key->of_group() == setting.group.empty())
    return wrong(setting.origin, fmt::format("there is no key {}", flag.path), {});
  if (!setting.key->of_group() ||
      std::ranges::find(groups.known, setting.group) != groups.known.end())
    return setting;
  if (!groups.open) {
    const std::string guess = did_you_mean(setting.group, groups.known);
    return wrong(
        setting.origin, fmt::format("there is no group '{}'", setting.group),
        fmt::format("{}{}there {} {}; another one is declared in the file: [group.{}]", guess,
                    guess.empty() ? "" : " ", groups.known.size() == 1 ? "is" : "are",
                    fmt::join(groups.known, ", "), setting.group));
  }
  if (!is_plain_name(setting.group))
    return wrong(setting.origin, fmt::format("{} cannot be a name", in_quotes(setting.group)),
                 std::string(plain_name_rule));
  groups.known.push_back(setting.group);
  return setting;
}

Result<std::vector<Setting>> flag_settings(const std::vector<KeyText>& flags, GroupNames& groups) {
  std::vector<Setting> settings;
  std::map<std::string_view, std::string_view> given;
  for (const KeyText& flag : flags) {
    const auto [first, fresh] = given.emplace(flag.path, flag.place);
    if (!fresh)
      return fail(Code::invalid, fmt::format("{} is given twice: by {} and by {}", flag.path,
                                             first->second, flag.place));
    auto setting = setting_of(flag, groups);
    if (!setting) return tl::unexpected(setting.error());
    settings.push_back(std::move(*setting));
  }
  return settings;
}

/// What is loaded, and for each key the setting that has won.
struct Loading {
  LoadedConfig loaded;
  std::map<std::string, const Setting*> won;
};

Result<> apply(const Setting& setting, Loading& loading) {
  const Given& given = setting.given;
  if (given.kind == Given::Kind::bare && !is_utf8(given.text))
    return wrong(setting.origin, "the value is not UTF-8", {});
  Config& config = loading.loaded.config;
  GroupConfig* group = find_group(config, setting.group);
  if (auto fits = setting.key->read(config, group, given); !fits) {
    Misfit misfit = std::move(fits.error());
    if (misfit.what.empty()) {
      misfit.what = fmt::format("'{}' is {}; expected {}", setting.key->name, given.shown(),
                                setting.key->type);
      if (given.kind == Given::Kind::bare && setting.key->type.starts_with("an array"))
        misfit.what += ", here as text with commas between";
    }
    return wrong(at_line(setting.origin, misfit.line), std::move(misfit.what),
                 std::move(misfit.remedy));
  }
  const std::string path = setting.key->path(setting.group);
  loading.loaded.origins.set(path, setting.origin);
  loading.won[path] = &setting;
  return {};
}

/// Of those who start together everyone is known from the beginning. Others may join.
Result<> check_names(const Loading& loading) {
  const Config& config = loading.loaded.config;
  if (config.contacts.empty() || config.start != Start::together) return {};
  std::vector<std::string> known;
  for (const Contact& contact : config.contacts) known.push_back(contact.name);
  /// `what` is the name at `index` of the list at `path`, or what is there.
  const auto check = [&](const std::string& path, std::size_t index, std::string_view what,
                         const std::string& name) -> Result<> {
    if (name.empty() || std::ranges::find(known, name) != known.end()) return {};
    Origin origin = loading.loaded.origins.of(path);
    if (const auto found = loading.won.find(path); found != loading.won.end())
      if (const auto& elements = found->second->given.elements; index < elements.size())
        origin = at_line(std::move(origin), elements[index].line);
    return wrong(origin, fmt::format("{}'{}' is none of the contacts", what, name),
                 suggestion(name, known));
  };
  if (auto checked = check("node.name", 0, "", config.name); !checked) return checked;
  for (const GroupConfig& group : config.groups) {
    const auto check_all = [&](std::string_view key, std::string_view what,
                               const std::vector<std::string>& names) -> Result<> {
      for (std::size_t i = 0; i < names.size(); ++i)
        if (auto checked = check(fmt::format("group.{}.{}", group.name, key), i, what, names[i]);
            !checked)
          return checked;
      return {};
    };
    if (auto checked = check_all("senders", "sender ", group.senders); !checked) return checked;
    if (auto checked = check_all("members", "member ", group.members); !checked) return checked;
  }
  return {};
}

}  // namespace

std::string Origin::text() const {
  switch (kind) {
    case Kind::variable:
      return "variable " + place;
    case Kind::flag:
      return "flag " + place;
    default:
      return place;
  }
}

const Origin& Origins::of(std::string_view path) const {
  static const Origin defaults;
  const auto found = origins_.find(path);
  return found == origins_.end() ? defaults : found->second;
}

void Origins::set(std::string path, Origin origin) {
  origins_.insert_or_assign(std::move(path), std::move(origin));
}

Result<LoadedConfig> load_config(const ConfigSources& sources) {
  FileSettings file;
  if (sources.content || !sources.file.empty()) {
    auto text = sources.content ? Result<std::string>(*sources.content) : read_file(sources.file);
    if (!text) return tl::unexpected(text.error());
    auto read = read_file_text(*text, sources.file);
    if (!read) return tl::unexpected(read.error());
    file = std::move(*read);
  }
  Loading loading{{sources.defaults, {}}, {}};
  Config& config = loading.loaded.config;
  GroupNames groups;
  for (const GroupConfig& group : config.groups) groups.known.push_back(group.name);
  for (std::string& name : file.groups)
    if (find_group(config, name) == nullptr) groups.known.push_back(std::move(name));
  const std::size_t declared = groups.known.size();
  groups.open = declared == 0;
  auto flags = flag_settings(sources.flags, groups);
  if (!flags) return tl::unexpected(flags.error());
  auto environment = environment_settings(sources.environment, groups);
  if (!environment) return tl::unexpected(environment.error());
  // Members must have their groups in one order, also if one has them from flags and another one
  // from variables.
  std::sort(groups.known.begin() + static_cast<std::ptrdiff_t>(declared), groups.known.end());
  for (const std::string& name : groups.known)
    if (find_group(config, name) == nullptr) config.groups.push_back({.name = name});

  for (const auto* settings : {&file.settings, &*environment, &*flags})
    for (const Setting& setting : *settings)
      if (auto applied = apply(setting, loading); !applied) return tl::unexpected(applied.error());
  if (auto checked = check_names(loading); !checked) return tl::unexpected(checked.error());
  return std::move(loading.loaded);
}

Result<Config> Config::load(const std::string& path) {
  return load_config({.file = path, .environment = read_environment()})
      .map([](LoadedConfig&& loaded) { return std::move(loaded.config); });
}

Result<Config> Config::load(const std::string& path, int& argc, char** argv,
                            std::string_view flag_prefix) {
  std::vector<std::string> words(argv, argv + argc);
  auto flags = take_flags(words, flag_prefix);
  if (!flags) return tl::unexpected(flags.error());
  auto loaded =
      load_config({.file = path, .environment = read_environment(), .flags = std::move(*flags)});
  if (!loaded) return tl::unexpected(loaded.error());
  // The words that are left, in their order, are a part of those that were there.
  int kept = 0;
  for (int i = 0; i < argc && kept < static_cast<int>(words.size()); ++i)
    if (argv[i] == words[static_cast<std::size_t>(kept)]) argv[kept++] = argv[i];
  if (kept < argc) argv[kept] = nullptr;
  argc = kept;
  return std::move(loaded->config);
}

}  // namespace squall
