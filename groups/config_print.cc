#include "groups/config_print.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "groups/config_keys.h"

namespace squall {
namespace {

/// Longer values push their comment aside, and no others.
constexpr std::size_t max_aligned_columns = 40;
/// Of a terminal.
constexpr std::size_t text_columns = 80;

/// Places are of any bytes (a file's path); a comment is one line of UTF-8.
std::string in_comment(std::string_view text) {
  std::string out;
  const bool plain = is_utf8(text);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte < 0x20 || byte == 0x7f || (byte >= 0x80 && !plain) ? '?' : c;
  }
  return out;
}

struct Line {
  std::string text;
  std::string comment;
};

void add_section(std::string& out, const std::string& header, const std::vector<Line>& lines) {
  std::size_t width = 0;
  for (const Line& line : lines)
    if (line.text.size() <= max_aligned_columns) width = std::max(width, line.text.size());
  out += fmt::format("{}[{}]\n", out.empty() ? "" : "\n", header);
  for (const Line& line : lines)
    out += fmt::format("{:<{}}  # {}\n", line.text, width, in_comment(line.comment));
}

std::vector<Line> lines_of(const LoadedConfig& loaded, std::string_view section,
                           const GroupConfig* group) {
  std::vector<Line> lines;
  for (const ConfigKey& key : config_keys()) {
    if (key.section != section) continue;
    const std::string value = key.print(loaded.config, group);
    const std::string path =
        key.path(group == nullptr ? std::string_view{} : std::string_view(group->name));
    if (value.empty())
      lines.push_back({fmt::format("# {}", key.name), fmt::format("not set: {}", key.unset)});
    else
      lines.push_back({fmt::format("{} = {}", key.name, value), loaded.origins.of(path).text()});
  }
  return lines;
}

/// A name may have a dot, which would end a bare one.
std::string group_header(const std::string& name) {
  return fmt::format("group.{}", name.find('.') == std::string::npos ? name : in_quotes(name));
}

std::string default_text(const ConfigKey& key) {
  const std::string value = key.default_value();
  return value.empty() ? key.unset : value;
}

/// Words in lines, each of them indented.
std::string wrapped(std::string_view text, std::size_t indent) {
  std::string out;
  std::size_t column = 0;
  while (!text.empty()) {
    const auto space = std::min(text.find(' '), text.size());
    if (column == 0 || column + 1 + space > text_columns) {
      out += fmt::format("{}{}", column == 0 ? "" : "\n", std::string(indent, ' '));
      column = indent;
    } else {
      out += ' ';
      ++column;
    }
    out += text.substr(0, space);
    column += space;
    text.remove_prefix(std::min(space + 1, text.size()));
  }
  return out + '\n';
}

std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

std::string code(const std::string& text) {
  return fmt::format("`{}`", text);
}

}  // namespace

std::string effective_toml(const LoadedConfig& loaded) {
  std::string out;
  for (const std::string section : {"node", "fabric"})
    add_section(out, section, lines_of(loaded, section, nullptr));
  for (const GroupConfig& group : loaded.config.groups)
    add_section(out, group_header(group.name), lines_of(loaded, "group", &group));
  return out;
}

std::string reference_text() {
  std::string out;
  std::string_view section;
  for (const ConfigKey& key : config_keys()) {
    if (key.section != section)
      out += fmt::format("{}[{}{}]\n", out.empty() ? "" : "\n", key.section,
                         key.of_group() ? fmt::format(".{}", any_group) : "");
    section = key.section;
    out +=
        fmt::format("\n  {}   {}   {}\n", key.name, key.flag(any_group), key.variable(any_group));
    out += wrapped(key.meaning, 6);
    out += wrapped("takes: " + key.type, 6);
    out += wrapped("default: " + default_text(key), 6);
  }
  return out;
}

std::string reference_markdown() {
  std::string out = "| key | value | default | meaning |\n|---|---|---|---|\n";
  for (const ConfigKey& key : config_keys()) {
    const std::string name = fmt::format(
        "[{}{}] {}", key.section, key.of_group() ? fmt::format(".{}", any_group) : "", key.name);
    const std::string value = key.default_value();
    out += fmt::format("| {} | {} | {} | {} |\n", code(name), cell(key.type),
                       value.empty() ? cell(key.unset) : code(cell(value)), cell(key.meaning));
  }
  return out;
}

}  // namespace squall
