#include "groups/stack/stack.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

#include "core/base/assert.h"
#include "core/base/nearest.h"
#include "groups/stack/fitting.h"

namespace squall {
namespace {

using modules::Argument;
using modules::Arguments;
using modules::Module;
using modules::Parameter;

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// Cuts off what lies before the next `separator` outside of parentheses, or all of it.
std::string_view take_word(std::string_view& rest, char separator) {
  int depth = 0;
  std::size_t at = 0;
  for (; at < rest.size(); ++at) {
    if (rest[at] == '(') ++depth;
    if (rest[at] == ')') --depth;
    if (rest[at] == separator && depth <= 0) break;
  }
  const std::string_view word = rest.substr(0, at);
  rest.remove_prefix(std::min(at, rest.size()));
  return trim(word);
}

std::string spell(const Stack::Item& item) {
  if (item.arguments.empty()) return item.module->name;
  std::vector<std::string_view> texts;
  for (const Argument& argument : item.arguments) texts.push_back(argument.text);
  return fmt::format("{}({})", item.module->name, fmt::join(texts, ", "));
}

/// As it might be written.
std::string example(const Module& module) {
  if (module.parameters.empty()) return module.name;
  std::vector<std::string_view> texts;
  for (const Parameter& parameter : module.parameters) texts.push_back(parameter.example);
  return fmt::format("{}({})", module.name, fmt::join(texts, ", "));
}

Result<const Module*> find_module(std::string_view name) {
  if (name.empty())
    return fail(Code::invalid, "the name of a module is missing",
                "names stand between bars: total | stable");
  if (const Module* module = modules::find(name)) return module;
  std::vector<std::string_view> known;
  for (const Module* each : modules::modules()) known.push_back(each->name);
  const std::string_view near = nearest(name, known);
  return fail(
      Code::invalid, fmt::format("there is no module \"{}\"", name),
      fmt::format("{}there are {}", near.empty() ? "" : fmt::format("did you mean \"{}\"? ", near),
                  fmt::join(known, ", ")));
}

Result<Arguments> parse_arguments(const Module& module, std::optional<std::string_view> inside) {
  std::vector<std::string_view> words;
  if (inside && !trim(*inside).empty())
    for (std::string_view rest = *inside;; rest.remove_prefix(1)) {
      words.push_back(take_word(rest, ','));
      if (rest.empty()) break;
    }
  if (words.size() != module.parameters.size()) {
    std::vector<std::string_view> names;
    for (const Parameter& parameter : module.parameters) names.push_back(parameter.name);
    return fail(
        Code::invalid,
        names.empty()
            ? fmt::format("{} has no parameters, and {} given", module.name,
                          words.size() == 1 ? "one is" : "some are")
            : fmt::format("{} has {} parameter{} ({}), and {} given", module.name, names.size(),
                          names.size() == 1 ? "" : "s", fmt::join(names, ", "),
                          words.empty() ? "none is" : fmt::format("{} are", words.size())),
        fmt::format("write {}", example(module)));
  }
  Arguments arguments;
  for (std::size_t at = 0; at < words.size(); ++at) {
    auto argument = modules::parse_argument(module.parameters[at], words[at]);
    if (!argument)
      return fail(argument.error().code,
                  fmt::format("{} of {} {}", module.parameters[at].name, module.name,
                              argument.error().what),
                  argument.error().remedy);
    arguments.push_back(std::move(*argument));
  }
  return arguments;
}

/// "batch(16 KiB, 50 us)"
Result<Stack::Item> parse_item(std::string_view word) {
  const auto open = word.find('(');
  const bool closed = word.ends_with(')');
  if ((open != word.npos) != closed)
    return fail(Code::invalid, fmt::format("\"{}\" has no \"{}\"", word, closed ? '(' : ')'),
                "parameters stand in one pair of parentheses: name(one, two)");
  auto module = find_module(trim(word.substr(0, open)));
  if (!module) return tl::unexpected(module.error());
  std::optional<std::string_view> inside;
  if (closed) {
    inside = word.substr(open + 1, word.size() - open - 2);
    if (inside->find_first_of("()") != inside->npos)
      return fail(Code::invalid, fmt::format("\"{}\" has parentheses in its parameters", word),
                  "no value can have any");
  }
  auto arguments = parse_arguments(**module, inside);
  if (!arguments) return tl::unexpected(arguments.error());
  return Stack::Item{*module, std::move(*arguments)};
}

/// With the arguments that were given, and an example's for a module that is suggested.
std::string nearest_text(const std::vector<Stack::Item>& items, const ModuleList& list) {
  std::vector<std::string> texts;
  for (const Module* module : list) {
    const auto given = std::ranges::find(items, module, &Stack::Item::module);
    texts.push_back(given != items.end() ? spell(*given) : example(*module));
  }
  return fmt::format("{}", fmt::join(texts, " | "));
}

}  // namespace

Result<Stack> Stack::parse(std::string_view text) {
  Stack stack;
  ModuleList list;
  for (std::string_view rest = text;; rest.remove_prefix(1)) {
    auto item = parse_item(take_word(rest, '|'));
    if (!item)
      return fail(item.error().code, fmt::format("stack \"{}\": {}", text, item.error().what),
                  item.error().remedy);
    list.push_back(item->module);
    stack.items_.push_back(std::move(*item));
    if (rest.empty()) break;
  }
  if (const auto reason = misfit(list))
    return fail(Code::invalid, fmt::format("stack \"{}\" does not fit: {}", text, *reason),
                fmt::format("the nearest stack that fits is \"{}\"",
                            nearest_text(stack.items_, nearest_fitting(list))));
  return stack;
}

std::string Stack::text() const {
  std::vector<std::string> texts;
  for (const Item& item : items_) texts.push_back(spell(item));
  return fmt::format("{}", fmt::join(texts, " | "));
}

std::string Stack::shared_text() const {
  std::vector<std::string> texts;
  for (const Item& item : items_)
    if (!item.module->is_local) texts.push_back(spell(item));
  return fmt::format("{}", fmt::join(texts, " | "));
}

unsigned Stack::provides() const {
  unsigned all = modules::nothing;
  for (const Item& item : items_) all |= item.module->provides;
  return all;
}

Result<Stack::Parts> Stack::prepare() const {
  struct Step {
    decltype(modules::Recipe::build) build;
    bool is_local;
  };
  std::vector<Step> steps;
  std::vector<std::shared_ptr<const multicast::Codec>> codecs;
  unsigned below = modules::nothing;
  for (const Item& item : items_) {
    auto recipe = item.module->prepare(item.arguments, below);
    if (!recipe) return tl::unexpected(recipe.error());
    if (recipe->build) steps.push_back({std::move(recipe->build), item.module->is_local});
    if (recipe->codec) codecs.push_back(std::move(recipe->codec));
    below |= item.module->provides;
  }
  const auto build = [steps = std::move(steps)](const multicast::Shape& shape,
                                                mirror::TableLayout& layout) {
    multicast::Stages stages;
    for (const Step& step : steps) {
      const std::uint32_t before = layout.counters();
      step.build(shape, layout, stages);
      SQUALL_ASSERT(!step.is_local || layout.counters() == before,
                    "a module that the others need not have counts nothing in the table");
    }
    return stages;
  };
  return Parts{build, multicast::Codecs(std::move(codecs))};
}

}  // namespace squall
