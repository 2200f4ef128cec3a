#include <fstream>
#include <iterator>

#include "test/repository/finding.h"

namespace squall::repository {
namespace fs = std::filesystem;
namespace {

// Each of these stands in README.md as a block of C++.
constexpr std::string_view shown[] = {"groups/examples/messages.cc", "groups/examples/object.cc"};

std::string read_whole(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

std::vector<Finding> check_readme(const fs::path& root) {
  std::vector<Finding> findings;
  const std::string readme = read_whole(root / "README.md");
  for (const std::string_view path : shown) {
    if (!fs::exists(root / path)) continue;
    if (readme.find("```cpp\n" + read_whole(root / path) + "```\n") == std::string::npos)
      findings.push_back({"README.md", "does not show " + std::string(path) +
                                           " as it is now: copy the file into its block"});
  }
  return findings;
}

}  // namespace squall::repository
