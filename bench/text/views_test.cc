#include "bench/text/views.h"

#include <doctest/doctest.h>

#include <memory>

namespace squall::bench {
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

}  // namespace
}  // namespace squall::bench
