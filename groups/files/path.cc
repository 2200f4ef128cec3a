#include "groups/files/path.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/printable.h"

namespace squall::files {
namespace {

constexpr std::size_t max_component_bytes = 255;

}  // namespace

Result<> check_path(std::string_view path) {
  const auto refuse = [&](std::string_view why) {
    return fail(Code::refused, fmt::format("refused the path '{}': {}", printable(path), why));
  };
  if (path.empty()) return refuse("it is empty");
  if (path.size() > max_path_bytes)
    return fail(Code::refused, fmt::format("refused a path of {} bytes; at most {} are allowed",
                                           path.size(), max_path_bytes));
  if (path.find('\0') != std::string_view::npos) return refuse("it holds a NUL");
  if (path.front() == '/') return refuse("it is absolute");
  for (std::size_t start = 0; start <= path.size();) {
    const std::size_t end = std::min(path.find('/', start), path.size());
    const std::string_view component = path.substr(start, end - start);
    if (component.empty() || component == "." || component == "..")
      return refuse("it has an empty component, '.' or '..'");
    if (component.size() > max_component_bytes) return refuse("a component is too long");
    start = end + 1;
  }
  return {};
}

}  // namespace squall::files
