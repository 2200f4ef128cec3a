#include <algorithm>
#include <array>
#include <map>
#include <set>

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

constexpr std::array<std::string_view, 3> thread_makers = {"std::thread ", "std::async(",
                                                           "start_all("};

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

std::vector<Finding> check_threads(const std::filesystem::path& root) {
  const auto tree = read_tree(root, {"core", "providers", "groups", "bench", "test"});
  std::map<std::string, bool> tagged;  // by folder
  for (const SourceFile& file : tree) {
    const std::filesystem::path path = file.path;
    if (path.filename() != "BUILD.bazel") continue;
    tagged[path.parent_path().string()] =
        std::ranges::any_of(file.lines, [](const std::string& line) {
          return line.find("\"threads\"]") != line.npos ||
                 line.find("\"no-sanitizers\"]") != line.npos;
        });
  }
  std::vector<Finding> findings;
  for (const SourceFile& file : tree) {
    const std::filesystem::path path = file.path;
    if (!file.path.ends_with("_test.cc") && !file.path.ends_with("_cases.cc")) continue;
    for (const std::string& line : file.lines) {
      if (std::ranges::none_of(
              thread_makers, [&](std::string_view maker) { return line.find(maker) != line.npos; }))
        continue;
      if (!tagged[path.parent_path().string()])
        findings.push_back(
            {file.path, "has threads, and no test of its folder is tagged `threads`"});
      break;
    }
  }
  return findings;
}

namespace {

/// The headers of the targets that everybody may depend on.
std::set<std::string> public_headers(const std::vector<SourceFile>& tree) {
  std::set<std::string> headers;
  for (const SourceFile& file : tree) {
    if (!file.path.ends_with("BUILD.bazel")) continue;
    const std::string folder = std::filesystem::path(file.path).parent_path().string() + "/";
    const auto is_public = [](const std::string& line) {
      return line.find("\"//visibility:public\"") != line.npos;
    };
    bool all = false;
    for (auto at = file.lines.begin(); at != file.lines.end(); ++at) {
      all = all || (at->starts_with("package(") && is_public(*at));
      if (*at != "cc_library(") continue;
      const auto end = std::find(at, file.lines.end(), ")");
      if (!all && std::none_of(at, end, is_public)) continue;
      bool sources = false;
      for (; at != end; ++at) {
        if (at->starts_with("    ") && !at->starts_with("     ")) sources = at->find("srcs") == 4;
        for (std::size_t quote = at->find('"'); !sources && quote != at->npos;) {
          const std::size_t last = at->find('"', quote + 1);
          const std::string name = at->substr(quote + 1, last - quote - 1);
          if (name.ends_with(".h")) headers.insert(folder + name);
          quote = at->find('"', last + 1);
        }
      }
    }
  }
  return headers;
}

}  // namespace

std::vector<Finding> check_public(const std::filesystem::path& root) {
  const auto headers = public_headers(read_tree(root, {"core", "providers", "groups"}));
  std::vector<Finding> findings;
  for (const SourceFile& file : read_tree(root, {"bench"}))
    for (const std::string& line : file.lines) {
      if (!is_code(file.path) || !line.starts_with("#include \"")) continue;
      const std::string path = line.substr(10, line.rfind('"') - 10);
      if (!is_below(path, "bench") && !headers.contains(path))
        findings.push_back({file.path, "includes " + path +
                                           ", which is private: the tool shows what an "
                                           "application can do with the public headers"});
    }
  return findings;
}

}  // namespace squall::repository
