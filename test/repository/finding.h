#pragma once
// What the rules of this folder report, and the files that they look at.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace squall::repository {

/// One broken rule: the place ("core/base/time.h:12"), and what is wrong and why.
struct Finding {
  std::string where;
  std::string what;
};

/// A file of the tree; `path` is relative to the root, with slashes.
struct SourceFile {
  std::string path;
  std::vector<std::string> lines;
};

/// Every regular file below the folders `tops` of `root`, in order of their paths. Links and
/// hidden files are left out, as Bazel's are.
std::vector<SourceFile> read_tree(const std::filesystem::path& root,
                                  const std::vector<std::string_view>& tops);

/// True for C++ sources and headers.
bool is_code(std::string_view path);

/// A test by its name, or anything below test/.
bool is_test(std::string_view path);

/// True if `path` is `folder` or lies in it. "core/engine/turn" also covers core/engine/turn.h:
/// a floor may be a folder or a few files.
bool is_below(std::string_view path, std::string_view folder);

/// `line` without string literals and comments. `in_comment` carries a block comment over lines.
std::string code_only(std::string_view line, bool& in_comment);

/// True if `word` stands in `text` with no letter, digit or underscore around it.
bool has_word(std::string_view text, std::string_view word);

/// All findings, a line each; empty when there are none.
std::string report(const std::vector<Finding>& findings);

// Who may include whom, what is pure, and which system headers belong to one place.
std::vector<Finding> check_floors(const std::filesystem::path& root);
// What the top level holds, and that every folder explains itself.
std::vector<Finding> check_layout(const std::filesystem::path& root);
// What README.md shows as a program is the file it names, to the letter.
std::vector<Finding> check_readme(const std::filesystem::path& root);
// What every target needs for the sanitizer builds.
std::vector<Finding> check_targets(const std::filesystem::path& root);
// Tests with threads are under tsan: their folder tags them.
std::vector<Finding> check_threads(const std::filesystem::path& root);
// Fuzzers are guided by what they fuzz.
std::vector<Finding> check_fuzzers(const std::filesystem::path& root);
// The tool and the benchmarks are made of public headers.
std::vector<Finding> check_public(const std::filesystem::path& root);
// What a line and a file may look like.
std::vector<Finding> check_style(const std::filesystem::path& root);

}  // namespace squall::repository
