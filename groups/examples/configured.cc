// Members as a file says, over whatever fabric it says: each greets, and everyone sees the same.
//
//   configured squall.toml --node-name a
//
// The file names the contacts, the fabric and a group; variables and flags go over it.
#include <chrono>
#include <cstdio>
#include <string>

#include "groups/node.h"

int main(int argc, char** argv) {
  using namespace std::chrono_literals;
  // Its own argument is the file; the flags are Squall's, and are taken out of argv.
  const std::string file = argc > 1 ? argv[1] : "squall.toml";
  auto config = squall::Config::load(file, argc, argv);
  if (!config) return std::fprintf(stderr, "%s\n", config.error().text().c_str()), 2;
  if (config->groups.empty()) return std::fprintf(stderr, "%s names no group\n", file.c_str()), 2;

  auto node = squall::Node::start(*config);
  if (!node) return std::fprintf(stderr, "%s\n", node.error().text().c_str()), 1;
  std::printf("over %s\n", std::string((*node)->fabric()).c_str());

  squall::Group& group = *(*node)->group(config->groups.front().name);
  group.on_deliver([&](const squall::Delivery& message) {
    std::printf("#%d from %s: %.*s\n", static_cast<int>(message.position),
                group.view()->members[message.sender].name.c_str(),
                static_cast<int>(message.bytes.size()),
                reinterpret_cast<const char*>(message.bytes.data()));
  });
  if (auto sent = group.send(squall::as_bytes("hello from " + config->name)); !sent)
    return std::fprintf(stderr, "%s\n", sent.error().text().c_str()), 1;

  auto done = (*node)->shutdown(squall::Monotonic::now() + 10s);
  if (!done) return std::fprintf(stderr, "%s\n", done.error().text().c_str()), 1;
}
