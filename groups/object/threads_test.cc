// Objects on nodes with threads of their own, called from many threads.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "groups/object/object.h"
#include "groups/object/object_test_kit.h"

namespace squall {
namespace {

void threads_call(const std::string& fabric) {
  auto configs = make_configs(2, fabric);
  for (Config& config : configs) {
    config.engine_thread = true;
    config.failure_timeout = std::chrono::seconds(5);
    config.groups[0].ring_bytes = 65536;
  }
  auto nodes = start_all(configs);
  std::vector<Object<Inventory>> stores;
  for (auto& node : nodes) {
    REQUIRE_MESSAGE(node, (node ? "" : node.error().text()));
    stores.push_back((*node)->object<Inventory>("test"));
    REQUIRE(stores.back());
  }
  constexpr int threads_each = 2, calls_each = 300;
  std::atomic<int> wrong{0}, followed{0};
  std::vector<std::thread> threads;
  for (std::size_t at = 0; at < 2; ++at)
    for (int thread = 0; thread < threads_each; ++thread)
      threads.emplace_back([&, at] {
        Object<Inventory> store = stores[at];
        for (int i = 0; i < calls_each; ++i) {
          auto call = store.update<&Inventory::add>("bolts", 1);
          call.then([&](const auto& replies) { followed += replies.has_value(); });
          const auto replies = call.get(soon());
          if (!replies || replies->all.size() != 2) {
            ++wrong;
            continue;
          }
          const int mine = *replies->own();
          // Dropped while it is in flight, by a thread that does not turn the node.
          static_cast<void>(store.update<&Inventory::add>("nuts", 1));
          // What this thread has seen is there for its reads, wherever.
          wrong += store.read<&Inventory::count>("bolts") < mine;
          if (i % 10 == 0) {
            wrong += store.linearizable().read<&Inventory::count>("bolts").get(soon()).value_or(0) <
                     mine;
            wrong += store.at(at == 0 ? "b" : "a")
                         .read<&Inventory::count>("bolts")
                         .get(soon())
                         .value_or(0) < mine;
          }
        }
      });
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
  for (auto& store : stores)
    CHECK(store.read<&Inventory::count>("bolts") == 2 * threads_each * calls_each);
  // One more, behind all that nobody has waited for.
  const auto last = stores[0].update<&Inventory::add>("nuts", 0).get(soon());
  REQUIRE(last);
  shut_down_all(nodes);
  CHECK(followed == 2 * threads_each * calls_each);
  nodes.clear();
  CHECK(stores[0].update<&Inventory::add>("bolts", 1).get().error().code == Code::closed);
}

TEST_CASE("threads call objects on engines with threads of their own (shm)") {
  threads_call("shm");
}

TEST_CASE("threads call objects on engines with threads of their own (tcp)") {
  threads_call("tcp");
}

}  // namespace
}  // namespace squall
