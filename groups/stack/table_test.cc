// The tables of modules and stacks in the READMEs are what the modules say of themselves. When one
// is stale, this test prints what it should be.

#include "groups/stack/table.h"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace squall {
namespace {

std::string read(const std::string& path) {
  std::ifstream file(path);
  REQUIRE_MESSAGE(file.good(), path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The table that begins with these words; empty if there is none.
std::string table_in(const std::string& text, std::string_view first_words) {
  const std::size_t begin = text.find(first_words);
  if (begin == text.npos) return {};
  std::size_t end = begin;
  while (end < text.size() && text[end] == '|') end = text.find('\n', end) + 1;
  return text.substr(begin, end - begin);
}

TEST_CASE("groups/README.md shows which stack gives which property") {
  CHECK(table_in(read("groups/README.md"), "| stack | FIFO") == property_table());
}

TEST_CASE("groups/modules/README.md shows the modules there are") {
  CHECK(table_in(read("groups/modules/README.md"), "| module | provides") == module_table());
}

}  // namespace
}  // namespace squall
