#include "bench/text/views.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "core/base/printable.h"

namespace squall::bench {

std::string shown(const View& view) {
  std::vector<std::string> names;
  for (const Member& member : view.members) names.push_back(member.name);
  return fmt::format("view {}: {}", raw(view.id), fmt::join(names, ", "));
}

std::string shown(const ViewChange& change) {
  std::string line = shown(*change.view);
  if (!change.came.empty()) line += fmt::format("; came: {}", fmt::join(change.came, ", "));
  if (!change.gone.empty()) line += fmt::format("; gone: {}", fmt::join(change.gone, "; "));
  return printable(line);
}

}  // namespace squall::bench
