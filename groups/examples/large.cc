// A large object to everyone, in its place among small messages. Its sender fills memory that the
// group gives it; on shared memory the others read it there, and over a network its blocks travel
// by whichever schedule is the quickest.
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
  config.groups = {{.name = "images"}};  // large_memory: 1 GiB
  config.engine_thread = true;           // so that filling an object may take its time
  config.failure_timeout = 2s;           // and reading it, on a busy machine

  auto node = squall::Node::start(config);
  if (!node) return std::fprintf(stderr, "%s\n", node.error().text().c_str()), 1;

  squall::Group& group = *(*node)->group("images");
  group.on_deliver([&](const squall::Delivery& message) {
    std::printf("%s: %zu bytes from %s, the last is %c\n", config.name.c_str(),
                message.bytes.size(), group.view()->members[message.sender].name.c_str(),
                static_cast<char>(message.bytes.back()));
  });

  if (config.name == "a") {
    auto object = group.buffer(std::size_t{4} << 20);
    if (!object) return std::fprintf(stderr, "%s\n", object.error().text().c_str()), 1;
    for (std::byte& byte : object->bytes()) byte = std::byte{'!'};
    auto sent = group.send(std::move(*object));
    if (sent) sent = group.send(squall::as_bytes("that was it"));
    if (!sent) return std::fprintf(stderr, "%s\n", sent.error().text().c_str()), 1;
  }

  // Turns the node until everyone has everything, then leaves in good order.
  auto done = (*node)->shutdown(squall::Monotonic::now() + 10s);
  if (!done) return std::fprintf(stderr, "%s\n", done.error().text().c_str()), 1;
}
