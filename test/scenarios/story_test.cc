// The language itself: files are read as they stand, mistakes are told, and so are differences.

#include "test/scenarios/story.h"

#include <doctest/doctest.h>

#include <string>

#include "test/scenarios/script.h"
#include "test/scenarios/words.h"

namespace squall::scenarios {
namespace {

TEST_CASE("a script is read as it is written") {
  const std::string text =
      "# Why.\n# More of it.\ngroup members=3\nstart\n----\nall is well\n\n# Then.\nrun 5ms\n"
      "----\none\ntwo\n";
  const Script script = Script::parse(text);
  REQUIRE(script.steps.size() == 3);
  CHECK(script.steps[0].before == "# Why.\n# More of it.\n");
  CHECK(script.steps[0].command == "group members=3");
  CHECK(script.steps[0].output.empty());
  CHECK(script.steps[1].output == "all is well\n");
  CHECK(script.steps[2].output == "one\ntwo\n");
  CHECK(script.text() == text);
  CHECK(Script::parse(script.text()).text() == text);
}

TEST_CASE("a difference shows what was expected and what came") {
  CHECK(difference("a\nb\nc\n", "a\nb\nc\n").empty());
  CHECK(difference("a\nb\nc\n", "a\nx\nc\n") == "  a\n- b\n+ x\n  c\n");
}

TEST_CASE("words, times") {
  CHECK(words_of("group stack=\"total | stable\"  x") ==
        std::vector<std::string>{"group", "stack=total | stable", "x"});
  CHECK(duration("-1.5s").value() == -1500ms);
  CHECK(duration("20us").value() == 20us);
  CHECK_FALSE(duration("20"));
  CHECK_FALSE(duration("soon"));
}

TEST_CASE("a command that is none, or not understood, says so") {
  Story story;
  CHECK(story.run("start").find("there is no group yet") != std::string::npos);
  CHECK(story.run("group color=red").find("a group has no 'color'") != std::string::npos);
  CHECK(story.run("group members=2").empty());
  CHECK(story.run("start") == "a b  view 1: a b\n");
  CHECK(story.run("jump a").find("'jump' is no command") != std::string::npos);
  CHECK(story.run("crash z").find("'z' is no member") != std::string::npos);
  CHECK(story.run("crash a before dawn").find("no step of the agreement") != std::string::npos);
  CHECK(story.run("run a while").find("expected: run") != std::string::npos);
  CHECK(story.violations().empty());
}

TEST_CASE("a later run of a node is told as such, and one that is no member cannot leave") {
  Story story;
  CHECK(story.run("group members=2").empty());
  CHECK(story.run("start") == "a b  view 1: a b\n");
  CHECK(story.run("join") == "0.04 ms  c  asks to be let in\n");
  CHECK(story.run("leave c").find("c is no member yet") != std::string::npos);
  CHECK(story.run("status").find("c  asks to be let in") != std::string::npos);
  CHECK(story.run("restart b").find("b#2  asks to be let in") != std::string::npos);
  CHECK(story.run("run until quiet").find("b#2  joins in view") != std::string::npos);
  CHECK(story.violations().empty());
}

}  // namespace
}  // namespace squall::scenarios
