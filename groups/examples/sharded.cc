// A store on four members, in two shards of two: each key is kept by the two members of its shard,
// and is read from any of the four.
#include <chrono>
#include <cstdio>
#include <map>
#include <string>

#include "groups/object/object.h"

struct Store {
  std::map<std::string, std::string> values;

  void put(const std::string& key, const std::string& value) { values[key] = value; }
  std::string get(const std::string& key) const {
    const auto found = values.find(key);
    return found == values.end() ? "nothing" : found->second;
  }
  template <class Archive>
  void serialize(Archive& archive) {
    archive(values);
  }
};

int main(int argc, char** argv) {
  using namespace std::chrono_literals;
  squall::Config config;
  config.name = argc > 1 ? argv[1] : "a";
  const std::string host = argc > 2 ? argv[2] : "127.0.0.1";
  for (const std::string port : {"7070", "7071", "7072", "7073"})
    config.contacts.push_back({std::string(1, "abcd"[config.contacts.size()]), host + ":" + port});
  config.groups = {{.name = "store", .shards = 2, .replicas = 2}, {.name = "ready"}};
  config.failure_timeout = 2s;  // a machine may be too busy for 200 ms

  const auto failed = [](const squall::Error& error) {
    return std::fprintf(stderr, "%s\n", error.text().c_str()), 1;
  };
  auto node = squall::Node::start(config);
  if (!node) return failed(node.error());
  auto store = (*node)->object<Store>("store");
  if (!store) return failed(store.error());
  squall::Group& ready = *(*node)->group("ready");
  std::size_t stored = 0;
  ready.on_deliver([&](const squall::Delivery&) { ++stored; });

  // Who is first in a shard puts the keys of that shard.
  const squall::Membership where = (*node)->group("store")->membership();
  for (const std::string key : {"oak", "elm", "ash", "fir", "yew"}) {
    const std::size_t shard = squall::shard_of(key, store.shards());
    if (where.shard != shard || where.members().front() != (*node)->rank()) continue;
    auto put = store.update<&Store::put>(key, "kept by shard " + std::to_string(shard))
                   .get(squall::Monotonic::now() + 10s);
    if (!put) return failed(put.error());
  }

  // All have put theirs when everyone has said so: a second group, of all four.
  if (auto sent = ready.send(squall::as_bytes("stored")); !sent) return failed(sent.error());
  while (stored < 4 && !(*node)->stopped())
    if (!(*node)->poll()) (*node)->idle(squall::Monotonic::now() + 1s);

  for (const std::string key : {"oak", "elm", "ash", "fir", "yew"}) {
    auto value = store.of(key).read<&Store::get>(key).get(squall::Monotonic::now() + 10s);
    if (!value) return failed(value.error());
    std::printf("%s: %s is %s\n", config.name.c_str(), key.c_str(), value->c_str());
  }
  auto done = (*node)->shutdown(squall::Monotonic::now() + 10s);
  if (!done) return failed(done.error());
}
