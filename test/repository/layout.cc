#include <algorithm>
#include <array>
#include <set>

#include "test/repository/finding.h"

namespace squall::repository {
namespace fs = std::filesystem;
namespace {

// The top level: a visitor sees at once where to go. Hidden files are the tools' own, and Bazel's
// links are no part of the tree.
constexpr std::array<std::string_view, 10> top_level = {
    "WORKSPACE", "BUILD.bazel", "README.md", "LICENSE", "core",
    "providers", "groups",      "bench",     "test",    "third_party"};

// Below these every folder explains itself.
const std::vector<std::string_view> explained = {"core", "providers", "groups", "bench", "test"};

// Data of tests, which the folder above explains.
constexpr std::array<std::string_view, 2> data_folders = {"testdata", "corpus"};

bool is_data(const fs::path& folder) {
  return std::ranges::any_of(folder, [](const fs::path& part) {
    return std::ranges::find(data_folders, part.string()) != data_folders.end();
  });
}

}  // namespace

std::vector<Finding> check_layout(const fs::path& root) {
  std::vector<Finding> findings;
  for (const auto& entry : fs::directory_iterator(root)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(".") || (entry.is_symlink() && name.starts_with("bazel-"))) continue;
    if (std::ranges::find(top_level, name) == top_level.end())
      findings.push_back({name,
                          "does not belong on the top level, which holds only what "
                          "test/repository/layout.cc lists"});
  }
  std::set<std::string> folders, with_readme;
  for (const SourceFile& file : read_tree(root, explained)) {
    const fs::path path = file.path;
    folders.insert(path.parent_path().generic_string());
    if (path.filename() != "README.md") continue;
    with_readme.insert(path.parent_path().generic_string());
    if (std::ranges::all_of(file.lines, &std::string::empty))
      findings.push_back({file.path, "is empty"});
  }
  for (const std::string& folder : folders)
    if (!with_readme.contains(folder) && !is_data(folder))
      findings.push_back({folder,
                          "has no README.md: say in a few lines what lives here, what may "
                          "not, and where to start reading"});
  return findings;
}

}  // namespace squall::repository
