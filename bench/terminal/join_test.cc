// `squall create` and `squall join` as people use them: the real binary, one process a member,
// lines typed into each.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "bench/launch/tool.h"

namespace squall::terminal {
namespace {

using bench::Tool;

/// "create" without a contact, else "join" through those.
std::vector<std::string> member(const std::string& name, const std::string& address,
                                const std::vector<std::string>& contacts,
                                const std::string& fabric = "shm") {
  // Patient with each other: a busy machine is no reason to expel anybody here.
  std::vector<std::string> words{contacts.empty() ? "create" : "join",
                                 "--name",
                                 name,
                                 "--listen",
                                 address,
                                 "--fabric",
                                 fabric,
                                 "--failure-timeout",
                                 "1000"};
  for (const std::string& contact : contacts) {
    words.push_back("--contact");
    words.push_back(contact);
  }
  return words;
}

/// Its last lines, and that it ended well.
void expect_left(Tool& tool) {
  tool.expect("left");
  const int status = tool.wait();
  CHECK_MESSAGE(status == 0, tool.output());
}

TEST_CASE("members come, talk, leave, die and come again; everyone sees it as it happens") {
  for (const std::string fabric : {"shm", "tcp"}) {
    CAPTURE(fabric);
    const std::string at_a = bench::free_address();
    const std::string at_b = bench::free_address();
    const std::string a_contact = "a@" + at_a;
    Tool a(member("a", at_a, {}, fabric));
    CHECK(a.expect("runs over").find(fabric) != std::string::npos);
    a.expect("view 1: a");
    a.type("nobody else is here\n");
    a.expect("a#0: nobody else is here");

    Tool b(member("b", at_b, {a_contact}, fabric));
    b.expect("suspected after 1000 ms of silence");
    b.expect(": a, b");
    a.expect(": a, b; came: b");
    auto c = std::make_unique<Tool>(member("c", bench::free_address(), {a_contact}, fabric));
    c->expect(": a, b, c");
    for (Tool* each : {&a, &b}) each->expect(": a, b, c; came: c");
    // One order for all, and each sender's count goes on.
    a.type("hello\n");
    for (Tool* each : {&a, &b, c.get()}) each->expect("a#1: hello");
    c->type("two\nlines\n");
    for (Tool* each : {&a, &b, c.get()}) {
      each->expect("c#0: two");
      each->expect("c#1: lines");
    }

    c->signal(SIGKILL);
    for (Tool* each : {&a, &b}) each->expect(": a, b; gone: c: ");
    // Through the other one, in a new run under its old name.
    c = std::make_unique<Tool>(member("c", bench::free_address(), {"b@" + at_b}, fabric));
    c->expect(": a, b, c");
    c->type("back");
    c->end_input();  // a last line needs no end; whoever has typed it leaves
    for (Tool* each : {&a, &b, c.get()}) each->expect("c#0: back");
    expect_left(*c);
    for (Tool* each : {&a, &b}) each->expect(": a, b; gone: c: ");

    a.signal(SIGINT);
    expect_left(a);
    b.expect(": b; gone: a: ");
    b.type("alone\n");
    b.expect("b#0: alone");
    b.end_input();
    expect_left(b);
  }
}

/// That it ends by itself, with this status and this said.
void expect_error(const std::vector<std::string>& words, int status, std::string_view said) {
  Tool tool(words);
  const int ended = tool.wait();
  CHECK_MESSAGE(ended == status, tool.output());
  CHECK_MESSAGE(tool.output().find(said) != std::string::npos, tool.output());
}

TEST_CASE("what keeps a member out is told, with a status of its own") {
  const std::string nowhere = "a@" + bench::free_address();
  auto words = member("b", bench::free_address(), {nowhere});
  words.insert(words.end(), {"--start-timeout", "300"});
  expect_error(words, 1, "refused");

  const std::string at_a = bench::free_address();
  Tool a(member("a", at_a, {}));
  a.expect("view 1: a");
  expect_error(member("z", at_a, {}), 1, "in use");
  words = member("a", bench::free_address(), {"contact@" + at_a});
  words.insert(words.end(), {"--start-timeout", "500"});
  expect_error(words, 1, "");
  words = member("b", bench::free_address(), {"a@" + at_a});
  words.insert(words.end(), {"--stack", "fifo"});
  expect_error(words, 1, "stack");
  expect_error(member("b", bench::free_address(), {"a@" + at_a}, "tcp"), 1, "tcp");
  expect_error({"join", "--name", "b"}, 2, "--contact");
  expect_error({"create", "--name", "b"}, 2, "--listen");

  Tool b(member("b", bench::free_address(), {"a@" + at_a}));
  b.expect(": a, b");
  words = member("b", bench::free_address(), {"a@" + at_a});
  words.insert(words.end(), {"--start-timeout", "500"});
  expect_error(words, 1, "is in the view already");
  // The group has lived through all that.
  b.type("still here\n");
  for (Tool* each : {&a, &b}) each->expect("b#0: still here");
}

TEST_CASE("who was taken for dead says so and ends with an error") {
  const std::string at_a = bench::free_address();
  Tool a(member("a", at_a, {}));
  a.expect("view 1: a");
  Tool b(member("b", bench::free_address(), {"a@" + at_a}));
  b.expect(": a, b");
  b.signal(SIGSTOP);
  a.expect(": a; gone: b: ");
  b.signal(SIGCONT);
  CHECK(b.wait() == 1);
  CHECK_MESSAGE(b.output().find("squall: ") != std::string::npos, b.output());
}

TEST_CASE("a line that fits into no message is told, and the rest is sent") {
  Tool a(member("a", bench::free_address(), {}));
  a.expect("view 1: a");
  // In pieces that the pipe holds while the member reads.
  for (int piece = 0; piece < 600; ++piece) a.type(std::string(1000, 'x'));
  a.type("\nshort\n");
  a.expect("a line of 600000 bytes was not sent");
  a.expect("a#0: short");
  a.end_input();
  expect_left(a);
}

}  // namespace
}  // namespace squall::terminal
