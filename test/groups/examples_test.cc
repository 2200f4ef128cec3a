// The programs of groups/examples run, and print what they promise.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/time.h"
#include "test/groups/member.h"
#include "test/groups/process.h"

namespace squall::group_tests {
namespace {

bool says(std::string_view text, std::string_view words) {
  return text.find(words) != text.npos;
}

/// Where examples put their files.
std::string own_folder() {
  const char* folder = std::getenv("TEST_TMPDIR");
  return folder != nullptr ? folder : "/tmp";
}

/// What the processes of an example print, each line without its "a: ".
std::vector<std::string> run_example(const std::string& example, std::string_view names = "abc") {
  const std::string host = own_host();
  std::vector<std::unique_ptr<Process>> members;
  std::vector<FILE*> outputs;
  for (const char letter : names) {
    const std::string name(1, letter);
    outputs.push_back(std::tmpfile());
    REQUIRE(outputs.back() != nullptr);
    members.push_back(std::make_unique<Process>([&, fd = fileno(outputs.back())](Line& line) {
      dup2(fd, STDOUT_FILENO);
      setenv("TMPDIR", own_folder().c_str(), 1);
      const std::string path = "groups/examples/" + example;
      execl(path.c_str(), example.c_str(), name.c_str(), host.c_str(), nullptr);
      line.say("broken: no " + path + " here");
    }));
  }
  for (auto& member : members) member->expect_end();
  std::vector<std::string> seen;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    std::rewind(outputs[i]);
    char text[256];
    seen.emplace_back();
    while (std::fgets(text, sizeof text, outputs[i]) != nullptr) {
      REQUIRE(std::string_view(text).substr(0, 3) ==
              std::string{static_cast<char>('a' + i), ':', ' '});
      seen.back() += text + 3;
    }
    std::fclose(outputs[i]);
  }
  return seen;
}

/// An example of which each member sends one message: everyone gets the same three, in the same
/// order.
void check_example(const std::string& example, const std::string& words) {
  const auto seen = run_example(example);
  CHECK(std::ranges::count(seen[0], '\n') == 3);
  for (const char member : {'a', 'b', 'c'})
    CHECK(says(seen[0], fmt::format("from {0}: {1} {0}\n", member, words)));
  CHECK(seen[1] == seen[0]);
  CHECK(seen[2] == seen[0]);
}

TEST_CASE("the example: four million bytes to three processes, and what its sender says after it") {
  const auto seen = run_example("large");
  CHECK(seen[0] ==
        "4194304 bytes from a, the last is !\n"
        "11 bytes from a, the last is t\n");
  CHECK(seen[1] == seen[0]);
  CHECK(seen[2] == seen[0]);
}

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_CASE("the example: a program sends itself to three processes, in pieces") {
  const auto seen = run_example("file");
  const std::string program = bytes_of("groups/examples/file");
  CHECK(seen[0] == fmt::format("program, {} bytes\n", program.size()));
  CHECK(seen[1] == seen[0]);
  CHECK(seen[2] == seen[0]);
  for (const char member : {'a', 'b', 'c'})
    CHECK(bytes_of(fmt::format("{}/squall-example-{}/program", own_folder(), member)) == program);
}

TEST_CASE("the example: three processes greet, and see the same greetings in the same order") {
  check_example("messages", "hello from");
}

TEST_CASE("the example with a module of its own: a majority holds what is delivered") {
  check_example("own_module", "a majority has this of");
}

TEST_CASE("the example: three processes share an object, and hear the same of each update") {
  const auto seen = run_example("object");
  for (const int bolts : {5, 10, 15}) {
    // One of them has made it so many, and all replicas say so.
    const auto tells = [&](const std::string& text) {
      for (const char name : {'a', 'b', 'c'})
        if (!says(text, fmt::format(": {} says {}\n", name, bolts))) return false;
      return true;
    };
    CHECK_MESSAGE(std::ranges::count_if(seen, tells) == 1, bolts);
  }
  for (const std::string& text : seen) CHECK_MESSAGE(says(text, "15 bolts in the end\n"), text);
}

TEST_CASE("the example: four processes keep a store in two shards, and each reads all of it") {
  const auto seen = run_example("sharded", "abcd");
  for (const std::string& text : seen) {
    CHECK(text == seen[0]);
    CHECK(std::ranges::count(text, '\n') == 5);
    CHECK_MESSAGE(!says(text, "nothing"), text);
  }
  CHECK(says(seen[0], "kept by shard 0\n"));
  CHECK(says(seen[0], "kept by shard 1\n"));
}

/// Somebody who types, and reads what the chat prints.
class Chatter {
 public:
  Chatter(const std::string& name, const std::string& host) {
    int typed[2], printed[2];
    REQUIRE(pipe2(typed, O_CLOEXEC) == 0);
    REQUIRE(pipe2(printed, O_CLOEXEC) == 0);
    process_ = std::make_unique<Process>([&](Line& line) {
      dup2(typed[0], STDIN_FILENO);
      dup2(printed[1], STDOUT_FILENO);
      execl("groups/examples/chat", "chat", name.c_str(), host.c_str(), nullptr);
      line.say("broken: no chat here");
    });
    close(typed[0]);
    close(printed[1]);
    keyboard_ = typed[1];
    screen_ = printed[0];
  }
  ~Chatter() {
    hang_up();
    close(screen_);
  }
  void type(const std::string& line) {
    REQUIRE(write(keyboard_, (line + "\n").data(), line.size() + 1) ==
            static_cast<ssize_t>(line.size() + 1));
  }
  /// Until it has printed that line; fails the test if it does not.
  void wait_for(const std::string& line) {
    for (const Time limit = Monotonic::now() + longest_patience; !says(text_, line + "\n");) {
      INFO(text_);
      REQUIRE(read_more(limit));
    }
  }
  void hang_up() {
    if (keyboard_ != -1) close(std::exchange(keyboard_, -1));
  }
  void leave() {
    hang_up();
    process_->expect_end();
  }
  void kill() { process_.reset(); }
  /// Until it has ended.
  std::string all() {
    while (read_more(Monotonic::now() + longest_patience)) {
    }
    return text_;
  }

 private:
  bool read_more(Time limit) {
    pollfd wait{screen_, POLLIN, 0};
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(limit - Monotonic::now());
    char piece[512];
    if (left.count() <= 0 || poll(&wait, 1, static_cast<int>(left.count())) != 1) return false;
    const ssize_t count = read(screen_, piece, sizeof piece);
    if (count > 0) text_.append(piece, static_cast<std::size_t>(count));
    return count > 0;
  }

  std::unique_ptr<Process> process_;
  int keyboard_ = -1, screen_ = -1;
  std::string text_;
};

TEST_CASE("the example: people chat, come, go and are cut off") {
  const std::string host = own_host();
  Chatter a("a", host);
  a.wait_for("* 1 here");
  Chatter b("b", host);
  b.wait_for("* 2 here");
  a.wait_for("* b is here");
  Chatter c("c", host);
  c.wait_for("* 3 here");
  b.wait_for("* c is here");
  b.type("hello");
  for (Chatter* each : {&a, &b, &c}) each->wait_for("b: hello");
  c.type("bye");
  c.leave();
  a.wait_for("c: bye");
  a.type("who was that?");
  b.wait_for("a: who was that?");
  b.kill();
  // Of two, rank 0 goes on alone.
  a.type("anybody?");
  a.wait_for("a: anybody?");
  a.leave();
  CHECK(says(a.all(), "* gone: c: "));
  CHECK(says(a.all(), "* gone: b: "));
}

TEST_CASE("the example: a client uses the object of two members, and closes it") {
  const auto seen = run_example("client");
  for (const std::size_t member : {0, 1}) CHECK(seen[member] == "2 bolts in the end\n");
  CHECK_MESSAGE(says(seen[2], "5 bolts in version "), seen[2]);
  CHECK_MESSAGE(says(seen[2], "told: only 2 bolts left\n"), seen[2]);
  CHECK_MESSAGE(says(seen[2], "2 bolts left\n"), seen[2]);
}

}  // namespace
}  // namespace squall::group_tests
