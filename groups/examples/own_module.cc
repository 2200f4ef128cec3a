// A protocol module of one's own: messages are delivered once a majority of the members holds them.
// Weaker than `stable`, and as quick as the quicker half of the group.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "groups/modules/module.h"
#include "groups/node.h"

namespace {

using namespace squall;

class Majority final : public multicast::Stage {
 public:
  /// A counter for each sender in every member's row: the rounds that it holds.
  Majority(const multicast::Shape& shape, mirror::TableLayout& layout)
      : self_(shape.self),
        held_(layout.add(shape.sender_count(), mirror::TableLayout::Place::packed)) {}

  /// Once a turn, whatever number of messages has come: lets through what a majority holds.
  void step(const multicast::StageInput& in, mirror::Table& table,
            multicast::StageOutput& out) override {
    std::vector<Round> told(table.members());
    for (multicast::SenderIndex sender = 0; sender < in.below.size(); ++sender) {
      if (in.received[sender] > table.get(self_, held_, sender))
        table.raise(held_, sender, in.received[sender]);
      for (Rank rank = 0; rank < told.size(); ++rank) told[rank] = table.get(rank, held_, sender);
      std::ranges::sort(told, std::greater<>());
      out.frontier[sender] = std::min(in.below[sender], told[told.size() / 2]);
    }
  }

 private:
  Rank self_;
  mirror::Column held_;
};

const modules::Registration majority(modules::stage<Majority>("majority"));

}  // namespace

int main(int argc, char** argv) {
  using namespace std::chrono_literals;
  squall::Config config;
  config.name = argc > 1 ? argv[1] : "a";
  const std::string host = argc > 2 ? argv[2] : "127.0.0.1";
  config.contacts = {{"a", host + ":7070"}, {"b", host + ":7071"}, {"c", host + ":7072"}};
  config.groups = {{.name = "votes", .stack = "total | majority"}};

  auto node = squall::Node::start(config);
  if (!node) return std::fprintf(stderr, "%s\n", node.error().text().c_str()), 1;

  squall::Group& group = *(*node)->group("votes");
  group.on_deliver([&](const squall::Delivery& message) {
    std::printf("%s: #%d from %s: %.*s\n", config.name.c_str(), static_cast<int>(message.position),
                group.view()->members[message.sender].name.c_str(),
                static_cast<int>(message.bytes.size()),
                reinterpret_cast<const char*>(message.bytes.data()));
  });

  if (auto sent = group.send(squall::as_bytes("a majority has this of " + config.name)); !sent)
    return std::fprintf(stderr, "%s\n", sent.error().text().c_str()), 1;

  auto done = (*node)->shutdown(squall::Monotonic::now() + 10s);
  if (!done) return std::fprintf(stderr, "%s\n", done.error().text().c_str()), 1;
}
