#include "groups/modules/parameter.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <span>

namespace squall::modules {
namespace {

using Kind = Parameter::Kind;

struct Unit {
  std::string_view name;
  std::uint64_t size;
};
constexpr Unit byte_units[] = {{"B", 1},
                               {"KiB", std::uint64_t{1} << 10},
                               {"MiB", std::uint64_t{1} << 20},
                               {"GiB", std::uint64_t{1} << 30}};
constexpr Unit time_units[] = {{"us", 1}, {"ms", 1'000}, {"s", 1'000'000}};

std::span<const Unit> units_of(Kind kind) {
  if (kind == Kind::bytes) return byte_units;
  if (kind == Kind::microseconds) return time_units;
  return {};
}

/// In the largest unit that leaves nothing over.
std::string spell(Kind kind, std::uint64_t number) {
  const auto units = units_of(kind);
  for (auto unit = units.rbegin(); unit != units.rend(); ++unit)
    if (number >= unit->size && number % unit->size == 0)
      return fmt::format("{} {}", number / unit->size, unit->name);
  return units.empty() ? fmt::format("{}", number) : fmt::format("{} {}", number, units[0].name);
}

std::optional<std::uint64_t> parse_number(Kind kind, std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc()) return std::nullopt;
  std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  if (unit.empty()) return number;
  unit.remove_prefix(std::min(unit.find_first_not_of(' '), unit.size()));
  for (const Unit& known : units_of(kind)) {
    if (unit != known.name) continue;
    if (number > UINT64_MAX / known.size) return std::nullopt;
    return number * known.size;
  }
  return std::nullopt;
}

std::string expected(const Parameter& parameter) {
  constexpr std::string_view things[] = {"a size", "a time", "a number"};
  return fmt::format("{} from {} to {}, such as \"{}\"",
                     things[static_cast<std::size_t>(parameter.kind)],
                     spell(parameter.kind, parameter.least), spell(parameter.kind, parameter.most),
                     parameter.example);
}

}  // namespace

Result<Argument> parse_argument(const Parameter& parameter, std::string_view text) {
  const auto refuse = [&](std::string remedy) {
    return fail(Code::invalid, fmt::format("is \"{}\"", text), std::move(remedy));
  };
  switch (parameter.kind) {
    case Kind::path:
      if (text.empty()) return refuse(fmt::format("a file, such as \"{}\"", parameter.example));
      return Argument{0, std::string(text)};
    case Kind::choice:
      if (std::ranges::find(parameter.choices, text) == parameter.choices.end())
        return refuse(fmt::format("one of: {}", fmt::join(parameter.choices, ", ")));
      return Argument{0, std::string(text)};
    case Kind::bytes:
    case Kind::microseconds:
    case Kind::number:
      break;
  }
  const auto number = parse_number(parameter.kind, text);
  if (!number || *number < parameter.least || *number > parameter.most)
    return refuse(expected(parameter));
  return Argument{*number, spell(parameter.kind, *number)};
}

}  // namespace squall::modules
