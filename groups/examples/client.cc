// Two members keep an inventory. A third process is none of them and uses it through either: it
// adds, takes, reads, hears what the members announce, and closes the shop in the end.
#include "groups/client/client.h"

#include <chrono>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>

#include "groups/node.h"
#include "groups/object/object.h"

using namespace std::chrono_literals;

struct Inventory {
  std::map<std::string, int> stock;
  bool open = true;

  int add(const std::string& item, int count) { return stock[item] += count; }
  void close() { open = false; }
  int count(const std::string& item) const {
    const auto found = stock.find(item);
    return found == stock.end() ? 0 : found->second;
  }
  bool is_open() const { return open; }
  template <class Archive>
  void serialize(Archive& archive) {
    archive(stock, open);
  }
  // For members, which call none of them by name.
  using methods = squall::Methods<&Inventory::add, &Inventory::close, &Inventory::count>;
};

int fail(const squall::Error& error) {
  return std::fprintf(stderr, "%s\n", error.text().c_str()), 1;
}

int be_member(const squall::Config& config) {
  auto node = squall::Node::start(config);
  if (!node) return fail(node.error());
  auto store = (*node)->object<Inventory>("store");
  if (!store) return fail(store.error());
  bool announced = false;
  while (store.read<&Inventory::is_open>().value_or(true)) {
    const bool few = store.read<&Inventory::count>("bolts").value_or(0) == 2;
    if (few && !announced) static_cast<void>(store.notify(squall::as_bytes("only 2 bolts left")));
    announced = few;
    if (auto why = (*node)->stopped()) return fail(*why);  // the others go on without this one
    if (!(*node)->poll()) (*node)->idle(squall::Monotonic::now() + 1s);
  }
  if (auto done = (*node)->shutdown(squall::Monotonic::now() + 10s); !done)
    return fail(done.error());
  const int now = store.read<&Inventory::count>("bolts");
  std::printf("%s: %d bolts in the end\n", config.name.c_str(), now);
  return 0;
}

int be_client(const squall::Config& config) {
  auto client = squall::Client::connect(config);
  if (!client) return fail(client.error());
  auto store = (*client)->object<Inventory>("store");
  bool told = false;
  store.on_notice([&](squall::Bytes notice) {
    const std::string_view text = squall::as_text(notice);
    std::printf("%s: told: %.*s\n", config.name.c_str(), static_cast<int>(text.size()),
                text.data());
    told = true;
  });
  auto added = store.update<&Inventory::add>("bolts", 5).get();  // at most once, whoever dies
  if (!added) return fail(added.error());
  std::printf("%s: %d bolts in version %d\n", config.name.c_str(), added->value,
              static_cast<int>(added->version));
  auto first = store.update<&Inventory::add>("bolts", -1);  // several on their way at once
  auto second = store.update<&Inventory::add>("bolts", -2);
  if (!first.get() || !second.get()) return 1;
  auto left = store.read<&Inventory::count>("bolts").get();
  if (!left) return fail(left.error());
  std::printf("%s: %d bolts left\n", config.name.c_str(), *left);
  // By the member that serves this client; if that one has just died, nobody says it again.
  for (const auto until = squall::Monotonic::now() + 10s;
       !told && squall::Monotonic::now() < until;)
    if (!(*client)->poll()) (*client)->idle(until);
  auto closed = store.update<&Inventory::close>().get();
  return closed ? 0 : fail(closed.error());
}

int main(int argc, char** argv) {
  squall::Config config;
  config.name = argc > 1 ? argv[1] : "a";
  const std::string host = argc > 2 ? argv[2] : "127.0.0.1";
  config.contacts = {{"a", host + ":7070"}, {"b", host + ":7071"}};
  config.groups = {{.name = "store"}};
  config.failure_timeout = 2s;  // nobody here is in a hurry, and the machine may be busy
  return config.name == "a" || config.name == "b" ? be_member(config) : be_client(config);
}
