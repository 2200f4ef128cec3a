// The text form of traces.

#include "test/checker/trace.h"

#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "doctest/doctest.h"

namespace squall::checker {
namespace {

constexpr Process a{NodeId{1}, Incarnation{1}};
constexpr Process b{NodeId{~0ull}, Incarnation{1795000000000000000}};

TEST_CASE("what is printed is parsed to the same events") {
  const std::vector<Event> events{install(a, ViewId{3}, {a, b}), send(a, 0, digest({})),
                                  deliver(b, ViewId{3}, 7, a, 12, ~0ull), crash(b)};
  const std::string text = to_text(events);
  CHECK(parse(text).value() == events);
  CHECK(to_text(parse(text).value()) == text);
}

TEST_CASE("the text form is the documented one") {
  CHECK(to_text(install(a, ViewId{3}, {a, {NodeId{2}, Incarnation{5}}})) ==
        "install 1.1 3 1.1,2.5");
  CHECK(to_text(send(a, 4, 0x9f3c)) == "send 1.1 4 9f3c");
  CHECK(to_text(deliver({NodeId{2}, Incarnation{1}}, ViewId{3}, 7, a, 0, 0x9f3c)) ==
        "deliver 2.1 3 7 1.1 0 9f3c");
  CHECK(to_text(crash(a)) == "crash 1.1");
}

TEST_CASE("spaces, empty lines and comments are skipped, and the last line needs no end") {
  const auto events = parse("\n  # a comment\n  crash   1.1   # why\n\ncrash 2.1").value();
  REQUIRE(events.size() == 2);
  CHECK(events[0] == crash(a));
}

TEST_CASE("a line that is no event is refused, with its number and what was expected") {
  for (const char* line :
       {"deliver 1.1 3 0 1.1 0", "deliver 1.1 3 0 1.1 0 ff more", "send 1.1 0 xyz", "send 1 0 ff",
        "send 1.1 -1 ff", "send 1.1 99999999999999999999 ff", "install 1.1 3",
        "install 1.1 3 1.1,,2.1", "crash", "crash 1.1.1", "crash a.1"}) {
    CAPTURE(line);
    const auto parsed = parse(std::string("crash 9.9\n") + line + "\n");
    REQUIRE_FALSE(parsed.has_value());
    CHECK(parsed.error().code == Code::invalid);
    CHECK(parsed.error().text().find("line 2") != std::string::npos);
    CHECK(parsed.error().remedy.find("expected: ") == 0);
  }
  for (const char* word : {"restart 1.1", "durable 1.1 5", "acknowledge 1.1 5", "what"})
    CHECK(parse(word).error().text().find("is no event") != std::string::npos);
}

TEST_CASE("the digest is FNV-1a") {
  CHECK(digest(as_bytes("")) == 0xcbf29ce484222325ull);
  CHECK(digest(as_bytes("a")) == 0xaf63dc4c8601ec8cull);
  CHECK(digest(as_bytes("foobar")) == 0x85944171f73967e8ull);
}

}  // namespace
}  // namespace squall::checker
