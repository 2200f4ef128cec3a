// Three members share an inventory: each adds to it, hears what everyone made of that, and all end
// with the same.
#include "groups/object/object.h"

#include <chrono>
#include <cstdio>
#include <map>
#include <string>

#include "groups/node.h"

struct Inventory {
  std::map<std::string, int> stock;

  // Not const: an update, executed at every replica in one order.
  int add(const std::string& item, int count) { return stock[item] += count; }
  // Const: a read, at one replica.
  int count(const std::string& item) const {
    const auto found = stock.find(item);
    return found == stock.end() ? 0 : found->second;
  }
  // Its state, for joiners.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(stock);
  }
};

int main(int argc, char** argv) {
  using namespace std::chrono_literals;
  squall::Config config;
  config.name = argc > 1 ? argv[1] : "a";
  const std::string host = argc > 2 ? argv[2] : "127.0.0.1";
  config.contacts = {{"a", host + ":7070"}, {"b", host + ":7071"}, {"c", host + ":7072"}};
  config.groups = {{.name = "store"}};  // stack: total | stable
  config.failure_timeout = 2s;          // a machine may be too busy for 200 ms

  auto node = squall::Node::start(config);
  if (!node) return std::fprintf(stderr, "%s\n", node.error().text().c_str()), 1;
  auto store = (*node)->object<Inventory>("store");
  if (!store) return std::fprintf(stderr, "%s\n", store.error().text().c_str()), 1;

  // A future: replies of all replicas, and the version. Waiting for it turns the node.
  auto call = store.update<&Inventory::add>("bolts", 5);
  auto replies = call.get(squall::Monotonic::now() + 10s);
  if (!replies) return std::fprintf(stderr, "%s\n", replies.error().text().c_str()), 1;
  for (const auto& each : replies->all)
    std::printf(
        "%s: version %d: %s says %s\n", config.name.c_str(), static_cast<int>(replies->version),
        each.member.c_str(),
        each.result ? std::to_string(*each.result).c_str() : each.result.error().text().c_str());

  auto done = (*node)->shutdown(squall::Monotonic::now() + 10s);
  if (!done) return std::fprintf(stderr, "%s\n", done.error().text().c_str()), 1;
  const int now = store.read<&Inventory::count>("bolts");
  std::printf("%s: %d bolts in the end\n", config.name.c_str(), now);
}
