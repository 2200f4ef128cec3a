#include "groups/stack/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "groups/modules/module.h"
#include "groups/stack/fitting.h"

namespace squall {
namespace {

using modules::Module;

/// A bar within a cell would end it.
std::string row_of(const std::string& stack, unsigned provides) {
  std::string text = fmt::format("| `{}` |", stack);
  for (const auto& [property, name, rule] : modules::properties())
    text += (provides & property) != 0 ? " yes |" : " |";
  return text + "\n";
}

/// Every stack of modules that provide something, by what it provides: the shortest for each.
void collect(ModuleList& list, unsigned provides, std::map<unsigned, ModuleList>& found) {
  for (const Module* module : modules::modules()) {
    if (module->provides == modules::nothing) continue;
    list.push_back(module);
    if (!misfit(list)) {
      const unsigned all = provides | module->provides;
      const auto [seen, is_new] = found.emplace(all, list);
      if (!is_new && list.size() < seen->second.size()) seen->second = list;
      collect(list, all, found);
    }
    list.pop_back();
  }
}

std::string names_of(unsigned properties) {
  std::string names;
  for (const auto& [property, name, rule] : modules::properties())
    if ((properties & property) != 0) names += fmt::format("{}{}", names.empty() ? "" : ", ", name);
  return names;
}

}  // namespace

std::string property_table() {
  std::string text = "| stack |", line = "|---|", rules = "|  |";
  for (const auto& [property, name, rule] : modules::properties()) {
    text += fmt::format(" {} |", name);
    rules += fmt::format(" {} |", rule);
    line += "---|";
  }
  text += "\n" + line + "\n" + rules + "\n";
  std::map<unsigned, ModuleList> found;
  ModuleList list;
  collect(list, modules::nothing, found);
  for (const auto& [provides, stack] : found) {
    std::string written;
    for (const Module* module : stack) written += (written.empty() ? "" : " \\| ") + module->name;
    text += row_of(written, provides);
  }
  return text;
}

std::string module_table() {
  std::string text = "| module | provides | requires below it | all members |\n|---|---|---|---|\n";
  for (const Module* module : modules::modules()) {
    std::string parameters;
    for (const auto& parameter : module->parameters)
      parameters += fmt::format("{}{}", parameters.empty() ? "" : ", ", parameter.name);
    const unsigned requires_below = module->requires_below;
    text += fmt::format("| `{}{}` | {} | {} | {} |\n", module->name,
                        parameters.empty() ? "" : fmt::format("({})", parameters),
                        names_of(module->provides),
                        module->is_order                        ? "nothing; lowest"
                        : requires_below == modules::fifo_order ? "an order"
                                                                : names_of(requires_below),
                        module->is_local ? "each its own" : "the same");
  }
  return text;
}

}  // namespace squall
