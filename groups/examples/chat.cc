// Chat: whoever comes first opens the room, the others join it, and each line that is typed appears
// in the same order at everyone who is there. Members come, go and may be killed. Up to three:
// start it as a, b and c.
#include <chrono>
#include <cstdio>
#include <iostream>
#include <string>

#include "groups/node.h"

int main(int argc, char** argv) {
  using namespace std::chrono_literals;
  squall::Config config;
  config.name = argc > 1 ? argv[1] : "a";
  const std::string host = argc > 2 ? argv[2] : "127.0.0.1";
  config.contacts = {{"a", host + ":7070"}, {"b", host + ":7071"}, {"c", host + ":7072"}};
  config.start = config.name == "a" ? squall::Start::automatic : squall::Start::join;
  config.engine_thread = true;  // this one waits for the keyboard
  config.failure_timeout = 2s;  // people are in no hurry, and their machines may be busy
  config.groups = {{.name = "room"}};

  auto node = squall::Node::start(config);
  if (!node) return std::fprintf(stderr, "%s\n", node.error().text().c_str()), 1;

  squall::Group& room = *(*node)->group("room");
  (*node)->on_view([](const squall::ViewChange& change) {
    for (const std::string& name : change.came) std::printf("* %s is here\n", name.c_str());
    for (const std::string& why : change.gone) std::printf("* gone: %s\n", why.c_str());
    std::fflush(stdout);
  });
  room.on_deliver([&](const squall::Delivery& line) {
    std::printf("%s: %.*s\n", room.view()->members[line.sender].name.c_str(),
                static_cast<int>(line.bytes.size()),
                reinterpret_cast<const char*>(line.bytes.data()));
    std::fflush(stdout);
  });
  std::printf("* %u here\n", (*node)->view()->size());
  std::fflush(stdout);

  for (std::string line; std::getline(std::cin, line);)
    if (auto sent = room.send(squall::as_bytes(line)); !sent)
      return std::fprintf(stderr, "%s\n", sent.error().text().c_str()), 1;

  // What was typed is delivered everywhere before this returns.
  auto left = (*node)->leave(squall::Monotonic::now() + 10s);
  if (!left) return std::fprintf(stderr, "%s\n", left.error().text().c_str()), 1;
}
