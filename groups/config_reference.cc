// Writes the reference of keys into groups/README.md: bazel run //groups:config_reference
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "groups/config_print.h"

int main() {
  const char* root = std::getenv("BUILD_WORKSPACE_DIRECTORY");
  const std::string path = std::string(root != nullptr ? root : ".") + "/groups/README.md";
  std::ifstream file(path);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const std::string table = squall::reference_markdown();
  const auto begin = text.find(table.substr(0, table.find('\n')));
  if (begin == std::string::npos)
    return std::fprintf(stderr, "%s has no such table\n", path.c_str()), 1;
  const auto end = text.find("\n\n", begin);
  text.replace(begin, end == std::string::npos ? end : end + 1 - begin, table);
  std::ofstream(path) << text;
}
