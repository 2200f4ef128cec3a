#include <algorithm>
#include <fstream>
#include <optional>
#include <regex>
#include <set>

#include "test/repository/finding.h"

namespace squall::repository {
namespace {

/// Of the files that .bazelrc has instrumented, for libFuzzer to see which way its inputs take.
std::optional<std::regex> guided(const std::filesystem::path& root) {
  std::ifstream file(root / ".bazelrc");
  for (std::string line; std::getline(file, line);) {
    const std::string_view option = "--per_file_copt=";
    const std::size_t from = line.find(option), to = line.find("@-fsanitize-coverage=");
    if (from == line.npos || to == line.npos) continue;
    const std::string patterns = line.substr(from + option.size(), to - from - option.size());
    return std::regex(patterns.substr(0, patterns.find(',')));  // then what is left out
  }
  return std::nullopt;
}

void include_all(const std::vector<SourceFile>& tree, const std::string& path,
                 std::set<std::string>& included) {
  const auto file = std::ranges::find(tree, path, &SourceFile::path);
  if (file == tree.end()) return;
  for (const std::string& line : file->lines) {
    if (!line.starts_with("#include \"")) continue;
    const std::string header = line.substr(10, line.rfind('"') - 10);
    // A fuzzer's own headers are not what it is for.
    if (included.insert(header).second && header.ends_with("_fuzz.h"))
      include_all(tree, header, included);
  }
}

}  // namespace

std::vector<Finding> check_fuzzers(const std::filesystem::path& root) {
  const auto tree = read_tree(root, {"core", "providers", "groups", "bench"});
  const auto pattern = guided(root);
  std::vector<Finding> findings;
  for (const SourceFile& fuzzer : tree) {
    if (!fuzzer.path.ends_with("_fuzz.cc")) continue;
    std::set<std::string> headers;
    include_all(tree, fuzzer.path, headers);
    for (const std::string& header : headers) {
      const std::string source = header.substr(0, header.size() - 2) + ".cc";
      if (is_below(source, "core/base") || !std::ranges::count(tree, source, &SourceFile::path))
        continue;
      if (!pattern || !std::regex_search(source, *pattern))
        findings.push_back({source, "is fuzzed by " + fuzzer.path +
                                        ", which does not see its branches: let it match the "
                                        "pattern before -fsanitize-coverage in .bazelrc"});
    }
  }
  return findings;
}

}  // namespace squall::repository
