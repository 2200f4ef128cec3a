#include "groups/config_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <tuple>
#include <utility>

#include "groups/config_values.h"
#include "groups/toml_parser.h"

namespace squall {
namespace {

constexpr std::size_t max_config_bytes = std::size_t{1} << 20;

/// Arrays in arrays are nothing that a key takes.
Given given_from(const toml::node& node, bool inside = false) {
  Given given{.kind = Given::Kind::other, .line = node.source().begin.line};
  if (const auto* text = node.as_string()) {
    given.kind = Given::Kind::text;
    given.text = text->get();
  } else if (const auto* number = node.as_integer()) {
    given.kind = Given::Kind::integer;
    given.integer = number->get();
  } else if (const auto* array = node.as_array(); array != nullptr && !inside) {
    given.kind = Given::Kind::list;
    for (const toml::node& element : *array) given.elements.push_back(given_from(element, true));
  } else {
    given.text = kind_of(node);
  }
  return given;
}

class Document {
 public:
  explicit Document(std::string_view name) : name_(name) {}

  Result<> read(const toml::table& document);
  FileSettings take() { return std::move(found_); }

  tl::unexpected<Error> wrong(const toml::source_region& region, std::string what,
                              std::string remedy = {}) const {
    return fail(Code::invalid, fmt::format("{}:{}: {}", name_, region.begin.line, what),
                std::move(remedy));
  }

 private:
  Result<> read_keys(const toml::table& table, std::string_view section, const std::string& group);
  Result<> read_groups(const toml::table& groups);

  std::string_view name_;
  FileSettings found_;
};

Result<> Document::read_keys(const toml::table& table, std::string_view section,
                             const std::string& group) {
  for (const auto& [name, value] : table) {
    const ConfigKey* key = find_key(section, name.str());
    if (key == nullptr) {
      std::vector<std::string> known;
      for (const ConfigKey& each : config_keys())
        if (each.section == section) known.push_back(each.name);
      return wrong(name.source(),
                   fmt::format("unknown key '{}' in [{}{}{}]", clipped(name.str()), section,
                               group.empty() ? "" : ".", group),
                   suggestion(name.str(), known));
    }
    Given given = given_from(value);
    Origin origin{Origin::Kind::file, fmt::format("{}:{}", name_, given.line)};
    found_.settings.push_back({key, group, std::move(given), std::move(origin)});
  }
  return {};
}

Result<> Document::read_groups(const toml::table& groups) {
  // As they stand in the file, not by name: their order counts.
  std::vector<std::tuple<toml::source_index, toml::source_index, std::string>> order;
  for (const auto& [name, value] : groups) {
    const auto* table = value.as_table();
    if (table == nullptr)
      return wrong(name.source(),
                   fmt::format("'{}' in [group] is {}; expected a table [group.{}]",
                               clipped(name.str()), kind_of(value), clipped(name.str())),
                   "groups have names: [group.NAME]");
    const std::string group(name.str());
    if (!is_plain_name(group))
      return wrong(name.source(), fmt::format("{} cannot be a name", in_quotes(clipped(group))),
                   std::string(plain_name_rule));
    if (auto read = read_keys(*table, "group", group); !read) return read;
    order.emplace_back(name.source().begin.line, name.source().begin.column, group);
  }
  std::ranges::sort(order);
  for (auto& [line, column, group] : order) found_.groups.push_back(std::move(group));
  return {};
}

Result<> Document::read(const toml::table& document) {
  const std::vector<std::string> sections{"node", "fabric", "group"};
  for (const auto& [name, value] : document) {
    const std::string_view section = name.str();
    const auto* table = value.as_table();
    if (std::ranges::find(sections, section) == sections.end())
      return wrong(name.source(),
                   table != nullptr ? fmt::format("unknown section [{}]", clipped(section))
                                    : fmt::format("unknown key '{}'", clipped(section)),
                   suggestion(section, sections));
    if (table == nullptr)
      return wrong(name.source(), fmt::format("'{}' is {}; expected a section [{}]", section,
                                              kind_of(value), section));
    auto read = section == "group" ? read_groups(*table) : read_keys(*table, section, {});
    if (!read) return read;
  }
  return {};
}

}  // namespace

Result<FileSettings> read_file_text(std::string_view text, std::string_view name) try {
  const toml::parse_result parsed = toml::parse(text);
  Document document(name);
  if (!parsed)
    return document.wrong(parsed.error().source(), std::string(parsed.error().description()));
  if (auto read = document.read(parsed.table()); !read) return tl::unexpected(read.error());
  return document.take();
} catch (const TomlParserGaveUp&) {
  return fail(Code::invalid, fmt::format("{} is no TOML: a name is malformed", name),
              "look for a '[' or a '.' with no name after it");
}

Result<std::string> read_file(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail_errno(fmt::format("cannot open {}", path), errno);
  std::string text(max_config_bytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return fail_errno(fmt::format("cannot read {}", path), errno);
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > max_config_bytes)
    return fail(Code::too_large, fmt::format("{} is over {} bytes", path, max_config_bytes),
                "this cannot be a configuration");
  return text;
}

}  // namespace squall
