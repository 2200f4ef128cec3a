// Three members greet each other; everyone sees the same greetings in the same order.
#include <chrono>
#include <cstdio>
#include <string>

#include "groups/node.h"

int main(int argc, char** argv) {
  using namespace std::chrono_literals;
  squall::Config config;
  config.name = argc > 1 ? argv[1] : "a";
  const std::string host = argc > 2 ? argv[2] : "127.0.0.1";
  config.contacts = {{"a", host + ":7070"}, {"b", host + ":7071"}, {"c", host + ":7072"}};
  config.groups = {{.name = "greetings"}};  // stack: total | stable

  auto node = squall::Node::start(config);
  if (!node) return std::fprintf(stderr, "%s\n", node.error().text().c_str()), 1;

  squall::Group& group = *(*node)->group("greetings");
  group.on_deliver([&](const squall::Delivery& message) {
    std::printf("%s: #%d from %s: %.*s\n", config.name.c_str(), static_cast<int>(message.position),
                group.view()->members[message.sender].name.c_str(),
                static_cast<int>(message.bytes.size()),
                reinterpret_cast<const char*>(message.bytes.data()));
  });

  if (auto sent = group.send(squall::as_bytes("hello from " + config.name)); !sent)
    return std::fprintf(stderr, "%s\n", sent.error().text().c_str()), 1;

  // Turns the node until everyone has everything, then leaves in good order.
  auto done = (*node)->shutdown(squall::Monotonic::now() + 10s);
  if (!done) return std::fprintf(stderr, "%s\n", done.error().text().c_str()), 1;
}
