#include <algorithm>

#include "test/repository/finding.h"

namespace squall::repository {
namespace {

bool starts_target(std::string_view line) {
  return line == "cc_library(" || line == "cc_binary(" || line == "cc_test(";
}
bool names_source(std::string_view line) {
  return line.find(".cc\"") != line.npos;
}
// A target of ours; visibility ("//bench:__subpackages__") is none.
bool names_ours(std::string_view line) {
  return (line.find("\"//") != line.npos || line.find("\":") != line.npos) &&
         line.find(":__") == line.npos;
}

}  // namespace

std::vector<Finding> check_targets(const std::filesystem::path& root) {
  std::vector<Finding> findings;
  for (const SourceFile& file : read_tree(root, {"core", "providers", "groups", "bench", "test"})) {
    if (!file.path.ends_with("BUILD.bazel")) continue;
    for (auto at = file.lines.begin(); at != file.lines.end(); ++at) {
      if (!starts_target(*at)) continue;
      const auto end = std::find(at, file.lines.end(), ")");
      if (std::any_of(at, end, names_source) && std::none_of(at, end, names_ours))
        findings.push_back({file.path + ":" + std::to_string(at - file.lines.begin() + 1),
                            "is compiled and depends on nothing of ours: let it depend on "
                            "//third_party:prelude, as sanitizer builds need"});
    }
  }
  return findings;
}

}  // namespace squall::repository
