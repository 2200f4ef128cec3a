// Nodes of one process, on threads of their own, over real fabrics. Processes of their own, deaths
// and load are in test/groups.
#include "groups/node.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "groups/node_test_kit.h"

namespace squall {
namespace {

void many_threads_send(const std::string& fabric) {
  auto configs = make_configs(2, fabric);
  for (Config& config : configs) config.engine_thread = true;
  auto nodes = start_all(configs);
  for (auto& node : nodes) REQUIRE_MESSAGE(node, (node ? "" : node.error().text()));
  CHECK((*nodes[0])->fd() == -1);  // nobody else turns it

  std::vector<Log> logs(2);
  for (std::size_t i = 0; i < 2; ++i)
    (*nodes[i])->group("test")->on_deliver([&log = logs[i]](const Delivery& m) { log.add(m); });

  constexpr int threads_each = 3, messages_each = 300;
  std::vector<std::thread> threads;
  for (auto& node : nodes)
    for (int thread = 0; thread < threads_each; ++thread)
      threads.emplace_back([&node, thread] {
        for (int i = 0; i < messages_each; ++i) {
          const auto sent = (*node)->group("test")->send(as_bytes(fmt::format("{}/{}", thread, i)));
          CHECK(sent);
        }
      });
  for (auto& thread : threads) thread.join();
  shut_down_all(nodes);
  REQUIRE(logs[0].lines().size() == 2 * threads_each * messages_each);
  CHECK(logs[0].lines() == logs[1].lines());
}

TEST_CASE("threads send through engines with threads of their own, in one order (shm)") {
  many_threads_send("shm");
}

TEST_CASE("threads send through engines with threads of their own, in one order (tcp)") {
  many_threads_send("tcp");
}

TEST_CASE("auto takes shm when all members share a host") {
  auto configs = make_configs(2, "auto");
  auto nodes = start_all(configs);
  for (auto& node : nodes) {
    REQUIRE(node);
    CHECK((*node)->fabric() == "shm");
  }
}

TEST_CASE("send_from_an_upcall: it is delivered, and a full ring never waits inside one") {
  auto configs = make_configs(2, "shm");
  for (Config& config : configs) {
    config.engine_thread = true;
    config.groups[0].ring_bytes = 4096;
  }
  auto nodes = start_all(configs);
  for (auto& node : nodes) REQUIRE(node);
  std::atomic<int> echoes{0};
  std::promise<Code> refused;
  Group& first = *(*nodes[0])->group("test");
  first.on_deliver([&](const Delivery& message) {
    if (as_text(message.bytes) != "ping") {
      ++echoes;
      return;
    }
    const std::vector<std::byte> large(900);
    while (true) {
      const auto sent = first.send(large);
      if (sent) continue;
      refused.set_value(sent.error().code);
      break;
    }
  });
  (*nodes[1])->group("test")->on_deliver([](const Delivery&) {});
  REQUIRE((*nodes[1])->group("test")->send(as_bytes("ping")));
  auto why = refused.get_future();
  REQUIRE(why.wait_for(std::chrono::seconds(30)) == std::future_status::ready);
  CHECK(why.get() == Code::would_block);
  shut_down_all(nodes);
  CHECK(echoes > 0);
}

TEST_CASE("limits and misuse are errors that say what to do") {
  auto configs = make_configs(2, "shm");
  for (Config& config : configs) {
    config.groups[0].senders = {"a"};
    config.groups[0].large_memory = 1u << 20;
  }
  auto nodes = start_all(configs);
  for (auto& node : nodes) REQUIRE(node);
  Group& group = *(*nodes[0])->group("test");
  CHECK((*nodes[0])->group("other") == nullptr);
  CHECK(group.max_message_bytes() == (2u << 20) / 4 - 16);
  CHECK(group.max_object_bytes() == 1u << 20);
  const std::vector<std::byte> large(group.max_object_bytes() + 1);
  const auto refused = group.try_send(large);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Code::too_large);
  CHECK(refused.error().text().find("large_memory") != std::string::npos);
  CHECK(group.try_buffer(large.size()).error().code == Code::too_large);
  const auto unreserved = group.reserve(group.max_message_bytes() + 1);
  REQUIRE_FALSE(unreserved);
  CHECK(unreserved.error().code == Code::too_large);
  CHECK(unreserved.error().what.find("at most 524272") != std::string::npos);
  CHECK(group.try_send(std::span(large).first(group.max_message_bytes())));
  CHECK(group.try_send(std::span(large).first(group.max_message_bytes() + 1)));
  const auto no_sender = (*nodes[1])->group("test")->try_send({});
  REQUIRE_FALSE(no_sender);
  CHECK(no_sender.error().code == Code::invalid);
}

/// Turns one node until `done`, at most for a second.
template <class Done>
bool turn_until(Node& node, Done done) {
  const Time limit = Monotonic::now() + std::chrono::seconds(1);
  while (!done() && Monotonic::now() < limit)
    if (!node.poll()) node.idle(limit);
  return done();
}

TEST_CASE("a fixed group: a node that goes without a word stops the other, which names it") {
  auto configs = make_configs(2, "tcp");
  for (Config& config : configs) config.survive_losses = false;
  auto nodes = start_all(configs);
  for (auto& node : nodes) REQUIRE(node);
  Node& survivor = **nodes[0];
  std::string reason;
  survivor.on_stopped([&](const Error& error) { reason = error.what; });
  nodes[1]->reset();
  REQUIRE(turn_until(survivor, [&] { return survivor.stopped().has_value(); }));
  CHECK(reason.find("member b was lost") != std::string::npos);
  const auto closed = survivor.group("test")->try_send({});
  REQUIRE_FALSE(closed);
  CHECK(closed.error().code == Code::lost);
}

TEST_CASE("of two, the first goes on alone, and the second stops since it has no majority") {
  for (const std::size_t survivor : {0u, 1u}) {
    CAPTURE(survivor);
    auto configs = make_configs(2, "tcp");
    auto nodes = start_all(configs);
    for (auto& node : nodes) REQUIRE(node);
    Node& left = **nodes[survivor];
    std::vector<std::string> delivered;
    left.group("test")->on_deliver([&](const Delivery& message) {
      delivered.emplace_back(as_text(message.bytes));
      CHECK(left.view()->members[message.sender].name == "a");
    });
    std::optional<ViewChange> change;
    left.on_view([&](const ViewChange& to) { change = to; });
    nodes[1 - survivor]->reset();
    if (survivor == 1) {
      REQUIRE(turn_until(left, [&] { return left.stopped().has_value(); }));
      CHECK_MESSAGE(left.stopped()->what.find("member a was lost") != std::string::npos,
                    left.stopped()->text());
      CHECK(left.stopped()->what.find("no majority") != std::string::npos);
      CHECK_FALSE(change);
      continue;
    }
    REQUIRE(turn_until(left, [&] { return change.has_value(); }));
    CHECK(change->view->size() == 1);
    REQUIRE(change->gone.size() == 1);
    CHECK_MESSAGE(change->gone[0].starts_with("b: "), change->gone[0]);
    CHECK(left.rank() == 0);
    CHECK(raw(left.view()->id) == 2);
    REQUIRE(left.group("test")->try_send(as_bytes("alone")));
    REQUIRE(turn_until(left, [&] { return delivered.size() == 1; }));
    CHECK(left.shutdown(soon()));
  }
}

TEST_CASE("a member that never comes is named when the deadline passes") {
  auto configs = make_configs(3, "shm");
  close(configs[2].listen_fd);
  configs.resize(2);
  for (Config& config : configs) config.start_timeout = std::chrono::milliseconds(300);
  for (auto& node : start_all(configs)) {
    REQUIRE_FALSE(node);
    CHECK(node.error().code == Code::timeout);
    CHECK(node.error().what.find("c (127.0.0.1:") != std::string::npos);
  }
}

TEST_CASE("a member with another stack is refused at both ends, with what differs") {
  auto configs = make_configs(2, "shm");
  configs[1].groups[0].stack = "fifo";
  // The lower rank is called, so for all it knows the right b may still come.
  configs[0].start_timeout = std::chrono::milliseconds(500);
  bool told = false;
  for (auto& node : start_all(configs)) {
    REQUIRE_FALSE(node);
    told |= node.error().text().find("fifo") != std::string::npos;
  }
  CHECK(told);
}

TEST_CASE("what cannot be right in a configuration is an error before anything is opened") {
  const auto refuse = [](auto change) {
    Config config;
    config.name = "a";
    config.contacts = {{"a", "127.0.0.1:1"}};
    config.groups = {{.name = "test"}};
    change(config);
    auto node = Node::start(config);
    REQUIRE_FALSE(node);
    return node.error().text();
  };
  CHECK(refuse([](Config& c) { c.name = "z"; }).find("none of the contacts") != std::string::npos);
  CHECK(refuse([](Config& c) { c.contacts.clear(); }).find("contacts") != std::string::npos);
  CHECK(refuse([](Config& c) { c.groups[0].ring_bytes = 5000; }).find("power of two") !=
        std::string::npos);
  CHECK(refuse([](Config& c) { c.groups[0].senders = {"y"}; }).find("\"y\"") != std::string::npos);
  CHECK(refuse([](Config& c) { c.provider = "shn"; }).find("shm") != std::string::npos);
  CHECK(refuse([](Config& c) { c.groups.push_back(c.groups[0]); }).find("two groups") !=
        std::string::npos);
}

}  // namespace
}  // namespace squall
