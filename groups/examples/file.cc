// A file to everyone: here, this very program. It is read piece by piece into memory that the
// others are shown, so it may be larger than any memory; and it has its name at the others once it
// is whole, or never.
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>

#include "groups/files/sender.h"
#include "groups/files/sink.h"
#include "groups/node.h"

int main(int argc, char** argv) {
  using namespace std::chrono_literals;
  squall::Config config;
  config.name = argc > 1 ? argv[1] : "a";
  const std::string host = argc > 2 ? argv[2] : "127.0.0.1";
  config.contacts = {{"a", host + ":7070"}, {"b", host + ":7071"}, {"c", host + ":7072"}};
  config.groups = {{.name = "files", .large_memory = 32 << 20}};  // for the pieces under way
  config.engine_thread = true;
  config.failure_timeout = 5s;  // who waits for a slow disk is not dead

  const auto folder = std::filesystem::temp_directory_path() / ("squall-example-" + config.name);
  std::filesystem::create_directories(folder);
  auto sink = squall::FileSink::open(folder.string());
  if (!sink) return std::fprintf(stderr, "%s\n", sink.error().text().c_str()), 1;

  auto node = squall::Node::start(config);
  if (!node) return std::fprintf(stderr, "%s\n", node.error().text().c_str()), 1;

  const auto tell = [&](const squall::FileNews& news) {
    if (news.what == squall::FileNews::What::complete)
      std::printf("%s: %s, %zu bytes\n", config.name.c_str(), news.path.c_str(),
                  static_cast<std::size_t>(news.bytes));
    if (news.what == squall::FileNews::What::abandoned)
      std::printf("%s: no %s: %s\n", config.name.c_str(), news.path.c_str(),
                  news.why.text().c_str());
  };
  squall::Group& group = *(*node)->group("files");
  (*node)->on_view([&](const squall::ViewChange& change) {
    for (const squall::FileNews& news : sink->on_view(*change.view)) tell(news);
  });
  group.on_deliver([&](const squall::Delivery& message) {
    tell(sink->take(group.view()->members[message.sender], message.bytes));
  });

  if (config.name == "a")
    if (auto sent = squall::send_file(group, "/proc/self/exe", "program"); !sent)
      return std::fprintf(stderr, "%s\n", sent.error().text().c_str()), 1;

  // Turns the node until everyone has everything, then leaves in good order.
  auto done = (*node)->shutdown(squall::Monotonic::now() + 30s);
  if (!done) return std::fprintf(stderr, "%s\n", done.error().text().c_str()), 1;
}
