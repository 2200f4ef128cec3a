#include "bench/terminal/shown.h"

#include <doctest/doctest.h>

#include "core/base/bytes.h"

namespace squall::terminal {
namespace {

TEST_CASE("a message names its sender and the sender's count, and writes on no terminal") {
  Delivery message;
  message.number = 7;
  const std::string text = "two\tlines\n";
  message.bytes = as_bytes(text);
  CHECK(shown("a", message) == "a#7: two\\x09lines\\x0a");
}

}  // namespace
}  // namespace squall::terminal
