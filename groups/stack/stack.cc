#include "groups/stack/stack.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "core/base/nearest.h"

namespace squall {
namespace {

using modules::Module;
using List = std::vector<const Module*>;

std::string join(const List& list) {
  std::string text;
  for (const Module* module : list) {
    if (!text.empty()) text += " | ";
    text += module->name;
  }
  return text;
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::string name_properties(unsigned properties) {
  std::string names;
  const auto add = [&](unsigned property, std::string_view name) {
    if ((properties & property) == 0) return;
    if (!names.empty()) names += " and ";
    names += name;
  };
  add(modules::fifo_order, "an order (fifo or total)");
  add(modules::total_order, "one order for all senders (total)");
  add(modules::stability, "stability (stable)");
  return names;
}

/// What is wrong with a list of modules; nothing if it fits.
std::optional<std::string> misfit(const List& list) {
  if (list.empty()) return "it is empty";
  unsigned below = modules::nothing;
  for (std::size_t at = 0; at < list.size(); ++at) {
    const Module& module = *list[at];
    if (std::count(list.begin(), list.end(), &module) > 1)
      return fmt::format("{} is there twice", module.name);
    if (at > 0 && module.build_order != nullptr)
      return fmt::format(
          "{} defines the order of delivery, so it must be the lowest module, the "
          "only one of its kind",
          module.name);
    if (const unsigned missing = module.requires_below & ~below; missing != 0)
      return fmt::format("{} requires {} below it", module.name, name_properties(missing));
    below |= module.provides;
  }
  return std::nullopt;
}

/// How many modules must be added, removed or replaced to come from one list to the other.
std::size_t distance(const List& from, const List& to) {
  const auto letters = [](const List& list) {
    std::string word;
    for (const Module* module : list)
      word += static_cast<char>('a' + (module - modules::modules().data()));
    return word;
  };
  return edit_distance(letters(from), letters(to));
}

void collect_fitting(List& prefix, std::vector<List>& fitting) {
  for (const Module& module : modules::modules()) {
    prefix.push_back(&module);
    if (!misfit(prefix)) {
      fitting.push_back(prefix);
      collect_fitting(prefix, fitting);
    }
    prefix.pop_back();
  }
}

List nearest_fitting(const List& wanted) {
  List prefix;
  std::vector<List> fitting;
  collect_fitting(prefix, fitting);
  // A permutation keeps every guarantee that was asked for, so it is nearer than a subset.
  return *std::ranges::min_element(fitting, {}, [&](const List& list) {
    return std::pair(!std::ranges::is_permutation(list, wanted), distance(wanted, list));
  });
}

}  // namespace

Result<Stack> Stack::parse(std::string_view text) {
  Stack stack;
  for (std::string_view rest = text;;) {
    const auto bar = rest.find('|');
    const std::string_view word = trim(rest.substr(0, bar));
    const Module* module = modules::find(word);
    if (module == nullptr) {
      std::vector<std::string_view> known;
      for (const Module& each : modules::modules()) known.push_back(each.name);
      return fail(Code::invalid, fmt::format("stack \"{}\": there is no module \"{}\"", text, word),
                  fmt::format("did you mean \"{}\"? There are: {}", nearest(word, known),
                              fmt::join(known, ", ")));
    }
    stack.modules_.push_back(module);
    if (bar == std::string_view::npos) break;
    rest.remove_prefix(bar + 1);
  }
  if (const auto reason = misfit(stack.modules_))
    return fail(Code::invalid, fmt::format("stack \"{}\" does not fit: {}", text, *reason),
                fmt::format("the nearest stack that fits is \"{}\"",
                            join(nearest_fitting(stack.modules_))));
  return stack;
}

std::string Stack::text() const {
  return join(modules_);
}

unsigned Stack::provides() const {
  unsigned all = modules::nothing;
  for (const Module* module : modules_) all |= module->provides;
  return all;
}

multicast::StageFactory Stack::factory() const {
  return [list = modules_](const multicast::Shape& shape, mirror::TableLayout& layout) {
    multicast::Stages stages;
    for (const Module* module : list) {
      if (module->build_order != nullptr)
        stages.order = module->build_order(shape, layout);
      else
        stages.above.push_back(module->build_stage(shape, layout));
    }
    return stages;
  };
}

}  // namespace squall
