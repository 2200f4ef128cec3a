#include "groups/stack/stack.h"

#include <doctest/doctest.h>

#include "groups/modules/module.h"

namespace squall {
namespace {

TEST_CASE("a fitting stack is built from its text, whatever the spacing") {
  const auto stack = Stack::parse("  total|stable ");
  REQUIRE(stack);
  CHECK(stack->text() == "total | stable");
  CHECK(stack->provides() == (modules::fifo_order | modules::total_order | modules::stability));
  REQUIRE(Stack::parse("fifo"));
  CHECK(Stack::parse("fifo")->provides() == modules::fifo_order);
  CHECK(Stack::parse("fifo | stable"));
}

TEST_CASE("an unknown module is refused with the nearest name") {
  const auto stack = Stack::parse("totl | stable");
  REQUIRE_FALSE(stack);
  CHECK(stack.error().what.find("\"totl\"") != std::string::npos);
  CHECK(stack.error().remedy.find("did you mean \"total\"") != std::string::npos);
}

TEST_CASE("a misfit is refused with the reason and the nearest stack that fits") {
  const auto refuse = [](std::string_view text) {
    const auto stack = Stack::parse(text);
    REQUIRE_FALSE(stack);
    return stack.error().text();
  };
  const std::string upside_down = refuse("stable | total");
  CHECK(upside_down.find("stable requires an order") != std::string::npos);
  CHECK(upside_down.find("\"total | stable\"") != std::string::npos);
  CHECK(refuse("stable").find("requires an order") != std::string::npos);
  CHECK(refuse("total | fifo").find("must be the lowest") != std::string::npos);
  CHECK(refuse("total | stable | stable").find("\"total | stable\"") != std::string::npos);
  CHECK(refuse("").find("no module \"\"") != std::string::npos);
}

}  // namespace
}  // namespace squall
