#include "bench/terminal/shown.h"

#include <doctest/doctest.h>

#include <memory>

#include "core/base/bytes.h"

namespace squall::terminal {
namespace {

View example() {
  View view;
  view.id = ViewId{4};
  view.members.resize(2);
  view.members[0].name = "a";
  view.members[1].name = "c";
  return view;
}

TEST_CASE("a view names its members in rank order, who came, and who is gone and why") {
  CHECK(shown(example()) == "view 4: a, c");
  ViewChange change;
  change.view = std::make_shared<const View>(example());
  CHECK(shown(change) == "view 4: a, c");
  change.came = {"c"};
  change.gone = {"b: link lost: \x1b[2J", "d: left"};
  CHECK(shown(change) == "view 4: a, c; came: c; gone: b: link lost: \\x1b[2J; d: left");
}

TEST_CASE("a message names its sender and the sender's count, and writes on no terminal") {
  Delivery message;
  message.number = 7;
  const std::string text = "two\tlines\n";
  message.bytes = as_bytes(text);
  CHECK(shown("a", message) == "a#7: two\\x09lines\\x0a");
}

}  // namespace
}  // namespace squall::terminal
