#include "groups/files/path.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace squall::files {
namespace {

TEST_CASE("paths that could leave the destination are refused") {
  for (const std::string_view path :
       {"", "/", "/etc/passwd", "..", "../x", "a/../b", "a/..", ".", "./a", "a/.", "a//b", "a/"}) {
    CAPTURE(path);
    CHECK_FALSE(check_path(path));
  }
  CHECK_FALSE(check_path(std::string_view("a\0b", 3)));
  CHECK_FALSE(check_path(std::string(max_path_bytes + 1, 'a')));
  CHECK_FALSE(check_path(std::string(256, 'a')));
  for (const std::string_view path : {"a", "a/b", "..a", "...", "a\nb/c d", ".hidden"}) {
    CAPTURE(path);
    CHECK(check_path(path));
  }
}

}  // namespace
}  // namespace squall::files
