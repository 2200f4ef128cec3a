#include "test/repository/finding.h"

#include <algorithm>
#include <cctype>
#include <fstream>

namespace squall::repository {
namespace fs = std::filesystem;

std::vector<SourceFile> read_tree(const fs::path& root, const std::vector<std::string_view>& tops) {
  std::vector<SourceFile> files;
  for (const std::string_view top : tops) {
    if (!fs::is_directory(root / top)) continue;
    for (auto at = fs::recursive_directory_iterator(root / top); at != fs::end(at); ++at) {
      if (at->path().filename().string().starts_with(".")) {
        if (at->is_directory()) at.disable_recursion_pending();
        continue;
      }
      if (at->is_symlink() || !at->is_regular_file()) continue;
      SourceFile file{fs::relative(at->path(), root).generic_string(), {}};
      std::ifstream in(at->path());
      for (std::string line; std::getline(in, line);) file.lines.push_back(line);
      files.push_back(std::move(file));
    }
  }
  std::ranges::sort(files, {}, &SourceFile::path);
  return files;
}

bool is_code(std::string_view path) {
  for (const std::string_view end : {".h", ".cc", ".c", ".hpp", ".cpp"})
    if (path.ends_with(end)) return true;
  return false;
}

bool is_test(std::string_view path) {
  return path.starts_with("test/") || path.ends_with("_test.cc") || path.ends_with("_test.sh");
}

bool is_below(std::string_view path, std::string_view folder) {
  if (!path.starts_with(folder)) return false;
  if (path.size() == folder.size()) return true;
  const char next = path[folder.size()];
  return next == '/' || next == '.' || next == '_';
}

std::string code_only(std::string_view line, bool& in_comment) {
  std::string code;
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const std::string_view rest = line.substr(i);
    if (in_comment) {
      if (rest.starts_with("*/")) in_comment = false, ++i;
    } else if (quote != 0) {
      if (line[i] == '\\')
        ++i;
      else if (line[i] == quote)
        quote = 0;
    } else if (rest.starts_with("//")) {
      break;
    } else if (rest.starts_with("/*")) {
      in_comment = true, ++i;
    } else if (line[i] == '"') {
      quote = line[i];
    } else if (line[i] == '\'' && (i == 0 || std::isalnum(line[i - 1]) == 0)) {
      quote = line[i];  // and not the separator in 1'000
    } else {
      code += line[i];
    }
  }
  return code;
}

bool has_word(std::string_view text, std::string_view word) {
  const auto is_part = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
  };
  for (std::size_t at = text.find(word); at != text.npos; at = text.find(word, at + 1)) {
    const bool starts = at == 0 || !is_part(text[at - 1]) || !is_part(word.front());
    const std::size_t end = at + word.size();
    if (starts && (end == text.size() || !is_part(text[end]) || !is_part(word.back()))) return true;
  }
  return false;
}

std::string report(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& finding : findings) text += "\n" + finding.where + ": " + finding.what;
  return text;
}

}  // namespace squall::repository
