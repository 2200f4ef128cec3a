#include "groups/stack/fitting.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>

#include "core/base/assert.h"

namespace squall {
namespace {

using modules::Module;

/// "fifo, causal or total"
std::string providers_of(unsigned property) {
  std::vector<std::string_view> names;
  for (const Module* module : modules::modules())
    if ((module->provides & property) != 0) names.push_back(module->name);
  if (names.size() < 2) return std::string(names.empty() ? "no module" : names[0]);
  const std::string_view last = names.back();
  names.pop_back();
  return fmt::format("{} or {}", fmt::join(names, ", "), last);
}

std::string name_properties(unsigned wanted) {
  std::string names;
  for (const auto& [property, name, rule] : modules::properties()) {
    if ((wanted & property) == 0) continue;
    if (!names.empty()) names += " and ";
    names += fmt::format("{} ({})", property == modules::fifo_order ? "an order" : name,
                         providers_of(property));
  }
  return names;
}

/// The order to begin with: the lowest that is wanted, else one that gives what the others require,
/// with as few other words as can be; the strongest of those.
const Module* pick_order(const ModuleList& wanted) {
  for (const Module* module : wanted)
    if (module->is_order) return module;
  unsigned required = modules::nothing, provided = modules::nothing;
  for (const Module* module : wanted) {
    required |= module->requires_below;
    provided |= module->provides;
  }
  const auto merit = [&](const Module* module) {
    return std::pair(std::popcount(required & ~provided & module->provides),
                     std::popcount(module->provides));
  };
  const Module* best = nullptr;
  for (const Module* module : modules::modules())
    if (module->is_order && (best == nullptr || merit(module) > merit(best))) best = module;
  SQUALL_ASSERT(best, "there is an order");
  return best;
}

/// Takes a module out of `rest` that may come now.
const Module* take_next(ModuleList& rest, unsigned below) {
  const auto found = std::ranges::find_if(
      rest, [&](const Module* module) { return (module->requires_below & ~below) == 0; });
  if (found == rest.end()) return nullptr;
  const Module* module = *found;
  rest.erase(found);
  return module;
}

/// A module that gives some of what the first of `rest` lacks, and may come now.
const Module* find_missing(const ModuleList& rest, const ModuleList& list, unsigned below) {
  const unsigned missing = rest.front()->requires_below & ~below;
  for (const Module* module : modules::modules())
    if ((module->provides & missing) != 0 && (module->requires_below & ~below) == 0 &&
        !module->is_order && std::ranges::find(list, module) == list.end())
      return module;
  return nullptr;
}

}  // namespace

std::optional<std::string> misfit(const ModuleList& list) {
  if (list.empty()) return "it is empty";
  unsigned below = modules::nothing;
  for (std::size_t at = 0; at < list.size(); ++at) {
    const Module& module = *list[at];
    if (std::ranges::count(list, &module) > 1) return fmt::format("{} is there twice", module.name);
    if (at > 0 && module.is_order)
      return fmt::format(
          "{} defines the order of delivery, so it must be the lowest module, the "
          "only one of its kind",
          module.name);
    if (const unsigned missing = module.requires_below & ~below; missing != 0)
      return fmt::format("{} requires {} below it", module.name, name_properties(missing));
    if (at == 0 && !module.is_order)
      return fmt::format("{} is no order of delivery ({}), which the lowest module must be",
                         module.name, providers_of(modules::fifo_order));
    below |= module.provides;
  }
  return std::nullopt;
}

ModuleList nearest_fitting(const ModuleList& wanted) {
  ModuleList list{pick_order(wanted)}, rest;
  for (const Module* module : wanted)
    if (!module->is_order && std::ranges::find(rest, module) == rest.end()) rest.push_back(module);
  unsigned below = list[0]->provides;
  while (!rest.empty()) {
    const Module* next = take_next(rest, below);
    if (next == nullptr) next = find_missing(rest, list, below);
    if (next == nullptr) {
      rest.erase(rest.begin());  // nothing gives it what it needs
      continue;
    }
    list.push_back(next);
    below |= next->provides;
    std::erase(rest, next);
  }
  return list;
}

}  // namespace squall
