#include "core/base/printable.h"

#include <doctest/doctest.h>

namespace squall {
namespace {

TEST_CASE("no control character reaches the terminal") {
  CHECK(printable("a\x1b[2Jb\n") == "a\\x1b[2Jb\\x0a");
  CHECK(printable("\x7f") == "\\x7f");
  CHECK(printable("gr\xc3\xbc\xc3\x9f") == "gr\xc3\xbc\xc3\x9f");
}

}  // namespace
}  // namespace squall
