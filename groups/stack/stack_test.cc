#include "groups/stack/stack.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "groups/modules/module.h"

namespace squall {
namespace {

TEST_CASE("a fitting stack is built from its text, whatever the spacing") {
  const auto stack = Stack::parse("  total|stable ");
  REQUIRE(stack);
  CHECK(stack->text() == "total | stable");
  CHECK(stack->provides() ==
        (modules::fifo_order | modules::causal_order | modules::total_order | modules::stability));
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
  CHECK(refuse("").find("a module is missing") != std::string::npos);
  // What was given in parentheses stays, and what is added has an example's.
  CHECK(refuse("batch(1 KiB, 20) | causal").find("\"causal | batch(1 KiB, 20 us)\"") !=
        std::string::npos);
  // The strongest order, where none is asked for.
  CHECK(refuse("stable").find("\"total | stable\"") != std::string::npos);
}

TEST_CASE("parameters are parsed in one pair of parentheses, and spelled in one way") {
  const struct {
    std::string_view text, spelled;
  } table[] = {
      {"total|batch( 16384 ,50)", "total | batch(16 KiB, 50 us)"},
      {"total | batch(1000 B, 1000 us)", "total | batch(1000 B, 1 ms)"},
      {"total | batch(1 GiB, 1 s)", "total | batch(1 GiB, 1 s)"},
      {"fifo | batch(1 MiB, 0)", "fifo | batch(1 MiB, 0 us)"},
      {"fifo | compress( lz4 ) ", "fifo | compress(lz4)"},
      {"fifo | trace(/tmp/a | b.json)", "fifo | trace(/tmp/a | b.json)"},
      {"causal () | checked", "causal | checked"},
  };
  for (const auto& [text, spelled] : table) {
    const auto stack = Stack::parse(text);
    REQUIRE_MESSAGE(stack, stack.error().text());
    CHECK(stack->text() == spelled);
    const auto again = Stack::parse(stack->text());
    REQUIRE(again);
    CHECK(again->text() == spelled);
  }
}

TEST_CASE("a wrong parameter is refused with its name, what was expected and the nearest") {
  const struct {
    std::string_view text, what, remedy;
  } table[] = {
      {"total | batch(16 KiB)", "batch has 2 parameters (bytes, microseconds), and 1 are given",
       "write batch(16 KiB, 50 us)"},
      {"total | batch", "and none is given", "write batch(16 KiB, 50 us)"},
      {"total | batch(1, 2, 3)", "and 3 are given", "write batch(16 KiB, 50 us)"},
      {"total(1)", "total has no parameters, and one is given", "write total"},
      {"total | batch(16 KB, 50 us)", "bytes of batch is \"16 KB\"",
       "a size from 1 B to 1 GiB, such as \"16 KiB\""},
      {"total | batch(0, 50 us)", "bytes of batch is \"0\"", "a size from 1 B"},
      {"total | batch(16 KiB, soon)", "microseconds of batch is \"soon\"",
       "a time from 0 us to 1 s, such as \"50 us\""},
      {"total | batch(16 KiB, 2 s)", "microseconds of batch is \"2 s\"", "a time from 0 us to 1 s"},
      {"total | batch(99999999999999999999, 1)", "bytes of batch is", "a size"},
      {"total | batch(18014398509481984 KiB, 1)", "bytes of batch is", "a size"},
      {"total | batch(, 1)", "bytes of batch is \"\"", "a size"},
      {"total | compress(lz5)", "algorithm of compress is \"lz5\"", "one of: lz4"},
      {"total | trace()", "trace has 1 parameter (file), and none is given", "write trace("},
      {"total | batch(16 KiB, 50 us", "has no \")\"", "one pair of parentheses"},
      {"total | batch 16 KiB)", "has no \"(\"", "one pair of parentheses"},
      {"total | trace((a))", "parentheses in its parameters", "no value can have any"},
      {"total | bach(1, 2)", "no module \"bach\"", "did you mean \"batch\"? there are batch, "},
      {"total | nope", "no module \"nope\"", "there are batch, "},
      {"total || stable", "the name of a module is missing", "total | stable"},
      {"total |", "the name of a module is missing", "total | stable"},
  };
  for (const auto& [text, what, remedy] : table) {
    CAPTURE(text);
    const auto stack = Stack::parse(text);
    REQUIRE_FALSE(stack);
    CHECK_MESSAGE(stack.error().what.find(what) != std::string::npos, stack.error().what);
    CHECK_MESSAGE(stack.error().remedy.find(remedy) != std::string::npos, stack.error().remedy);
  }
}

TEST_CASE("members compare what changes bytes or order, and not what is each one's own business") {
  const auto stack =
      Stack::parse("total | checked | stable | compress(lz4) | batch(1 KiB, 1 us) | trace(/tmp/x)");
  REQUIRE(stack);
  CHECK(stack->shared_text() == "total | stable | compress(lz4)");
}

TEST_CASE("a module that cannot be had here is an error when the stack is prepared") {
  const auto stack = Stack::parse("total | trace(/no/such/folder/x.json)");
  REQUIRE(stack);
  const auto parts = stack->prepare();
  REQUIRE_FALSE(parts);
  CHECK(parts.error().code == Code::io);
  CHECK(parts.error().what.find("/no/such/folder/x.json") != std::string::npos);
}

}  // namespace
}  // namespace squall
