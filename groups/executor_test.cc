// Upcalls on an executor of the application's: one order, their own time, and backpressure; and
// coroutines that wait for views.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <atomic>
#include <condition_variable>
#include <coroutine>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "groups/node.h"
#include "groups/node_test_kit.h"

namespace squall {
namespace {

/// Two threads that take what comes; closed until `open`.
class Pool {
 public:
  Pool() {
    for (int count = 0; count < 2; ++count) threads_.emplace_back([this] { run(); });
  }
  ~Pool() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }
  void open(bool now = true) {
    {
      const std::lock_guard lock(mutex_);
      open_ = now;
    }
    changed_.notify_all();
  }
  Executor executor() {
    return [this](std::function<void()> job) {
      {
        const std::lock_guard lock(mutex_);
        jobs_.push_back(std::move(job));
      }
      changed_.notify_all();
    };
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return over_ || (open_ && !jobs_.empty()); });
      if (over_) return;
      auto job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job();
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  bool open_ = true, over_ = false;
  std::vector<std::thread> threads_;
};

/// What one member's upcalls say, in their order; they may be on any thread, one at a time.
struct Heard {
  std::mutex mutex;
  std::vector<std::string> lines;
  std::atomic<std::size_t> messages{0};
  std::atomic<int> at_once{0};
  std::atomic<bool> overlapped{false};

  void say(std::string line) {
    if (++at_once != 1) overlapped = true;
    {
      const std::lock_guard lock(mutex);
      lines.push_back(std::move(line));
    }
    --at_once;
  }
};

void listen(Node& node, Heard& heard) {
  Group& group = *node.group("test");
  node.on_view(
      [&](const ViewChange& change) { heard.say(fmt::format("view {}", change.view->size())); });
  group.on_membership(
      [&](const Membership& now) { heard.say(fmt::format("members {}", now.members().size())); });
  group.on_post(
      [&](Rank from, Bytes text) { heard.say(fmt::format("{}: {}", from, as_text(text))); });
  group.on_deliver([&](const Delivery& message) {
    heard.say(
        std::string(as_text(message.bytes.first(std::min<std::size_t>(9, message.bytes.size())))));
    ++heard.messages;
  });
}

struct Nodes {
  std::vector<std::unique_ptr<Node>> all;

  explicit Nodes(const std::vector<Config>& configs) {
    for (auto& node : start_all(configs)) {
      REQUIRE_MESSAGE(node, (node ? "" : node.error().text()));
      all.push_back(std::move(*node));
    }
  }
  template <class Done>
  bool until(Done done) {
    for (const Time limit = soon(); Monotonic::now() < limit;) {
      if (done()) return true;
      for (auto& node : all)
        if (node) node->poll();
    }
    return false;
  }
};

TEST_CASE("deliveries, posts and views come on the executor, one at a time and in order") {
  Pool pool;
  auto configs = make_configs(3, "shm");
  for (Config& config : configs) config.failure_timeout = std::chrono::seconds(5);
  configs[0].executor = pool.executor();
  Heard heard, other;
  Nodes nodes(configs);
  listen(*nodes.all[0], heard);
  listen(*nodes.all[1], other);
  nodes.all[2]->group("test")->on_deliver([](const Delivery&) {});
  for (int count = 0; count < 200; ++count) {
    const std::string text = fmt::format("message {}", count % 10);
    for (Rank sender : {Rank{0}, Rank{1}})
      while (!nodes.all[sender]->group("test")->try_send(as_bytes(text))) nodes.all[sender]->poll();
  }
  REQUIRE(nodes.until([&] { return heard.messages == 400 && other.messages == 400; }));
  const std::string hello = "hello";
  REQUIRE(nodes.until(
      [&] { return nodes.all[1]->group("test")->post(0, as_bytes(hello)).has_value(); }));
  REQUIRE(nodes.until([&] {
    const std::lock_guard lock(heard.mutex);
    return heard.lines.back() == "1: hello";
  }));
  nodes.all[2].reset();
  REQUIRE(nodes.until([&] {
    const std::lock_guard lock(heard.mutex);
    return heard.lines.back() == "members 2";
  }));
  CHECK(!heard.overlapped);
  std::vector<std::string> lines = heard.lines;
  CHECK(lines[lines.size() - 2] == "view 2");
  std::erase(lines, "1: hello");
  CHECK(lines == other.lines);
}

TEST_CASE("an executor that does nothing holds the others up, and loses nothing") {
  Pool pool;
  pool.open(false);
  auto configs = make_configs(2, "shm");
  configs[1].executor = pool.executor();
  // Who has been off its core for longer than that delivers nothing until it hears from the others.
  for (Config& config : configs) config.failure_timeout = std::chrono::seconds(5);
  Nodes nodes(configs);
  Group& sender = *nodes.all[0]->group("test");
  std::atomic<std::size_t> here{0}, there{0};
  sender.on_deliver([&](const Delivery&) { ++here; });
  nodes.all[1]->group("test")->on_deliver([&](const Delivery&) { ++there; });
  const std::string text(60'000, 'x');
  std::size_t sent = 0, refused = 0;
  // Up to twice what may wait; then it is refused for as long as anybody looks.
  Time went_at = Monotonic::now();
  while (sent < 600 &&
         (refused < 10'000 || Monotonic::now() - went_at < std::chrono::milliseconds(500))) {
    ++refused;
    if (sender.try_send(as_bytes(text))) {
      ++sent;
      refused = 0;
      went_at = Monotonic::now();
    }
    for (auto& node : nodes.all) node->poll();
  }
  CHECK(refused >= 10'000);
  CHECK(sent * text.size() > (std::size_t{15} << 20));
  CHECK(there == 0);
  pool.open();
  REQUIRE(nodes.until([&] { return there == sent && here == sent; }));
}

TEST_CASE("shutdown ends when the executor has run everything") {
  Pool pool;
  pool.open(false);
  auto configs = make_configs(1, "shm");
  configs[0].executor = pool.executor();
  Nodes nodes(configs);
  std::atomic<int> delivered{0};
  nodes.all[0]->group("test")->on_deliver([&](const Delivery&) { ++delivered; });
  REQUIRE(nodes.all[0]->group("test")->try_send(as_bytes("last words")));
  const auto early = nodes.all[0]->shutdown(Monotonic::now() + std::chrono::milliseconds(50));
  REQUIRE(!early);
  CHECK(early.error().code == Code::timeout);
  pool.open();
  REQUIRE(nodes.all[0]->shutdown(soon()));
  CHECK(delivered == 1);
}

TEST_CASE("what an upcall on an executor throws ends nothing") {
  Pool pool;
  auto configs = make_configs(1, "shm");
  configs[0].executor = pool.executor();
  Nodes nodes(configs);
  std::atomic<int> delivered{0};
  nodes.all[0]->group("test")->on_deliver([&](const Delivery&) {
    if (++delivered == 1) throw std::runtime_error("thrown by a test");
  });
  REQUIRE(nodes.all[0]->group("test")->try_send(as_bytes("one")));
  REQUIRE(nodes.all[0]->group("test")->try_send(as_bytes("two")));
  REQUIRE(nodes.until([&] { return delivered == 2; }));
}

TEST_CASE("a joiner's state is taken and loaded on the executors, in its place") {
  Pool pool;
  auto configs = make_configs(1, "shm");
  configs[0].start = Start::create;
  for (Config& config : configs) config.executor = pool.executor();
  Nodes nodes(configs);
  // Each keeps the text of all it was delivered, which only its own upcalls touch.
  std::vector<std::unique_ptr<std::string>> texts;
  std::atomic<std::size_t> loaded{0};
  std::deque<std::atomic<std::size_t>> newest;
  const auto keep = [&](Node& node) {
    std::string& text = *texts.emplace_back(std::make_unique<std::string>());
    Group& group = *node.group("test");
    group.on_state({[&text]() -> StateSource {
                      return [copy = text, at = std::size_t{0}](MutableBytes to) mutable {
                        const std::size_t count = std::min(to.size(), copy.size() - at);
                        std::ranges::copy(as_bytes(copy).subspan(at, count), to.begin());
                        at += count;
                        return Result<std::size_t>(count);
                      };
                    },
                    [&text, &loaded](Bytes piece, bool last) -> Result<> {
                      text += as_text(piece);
                      if (last) loaded = text.size();
                      return {};
                    }});
    group.on_deliver([&text, &size = newest.emplace_back(0)](const Delivery& message) {
      text += as_text(message.bytes);
      size = text.size();
    });
  };
  keep(*nodes.all[0]);
  const std::string piece(100'000, 'a');
  for (int count = 0; count < 10; ++count)
    while (!nodes.all[0]->group("test")->try_send(as_bytes(piece))) nodes.all[0]->poll();
  REQUIRE(nodes.until([&] { return newest[0] == 1'000'000; }));
  Config config = configs[0];
  auto [fd, address] = listen_somewhere();
  config.name = "b";
  config.listen = address;
  config.listen_fd = fd;
  config.start = Start::join;
  auto joining = std::async(std::launch::async, [&] { return Node::start(config); });
  REQUIRE(nodes.until(
      [&] { return joining.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }));
  auto joined = joining.get();
  REQUIRE_MESSAGE(joined, (joined ? "" : joined.error().text()));
  nodes.all.push_back(std::move(*joined));
  keep(*nodes.all[1]);
  REQUIRE(nodes.until([&] { return loaded == 1'000'000; }));
  REQUIRE(nodes.all[0]->group("test")->try_send(as_bytes("b")));
  REQUIRE(nodes.until([&] { return newest[0] == 1'000'001 && newest[1] == 1'000'001; }));
  for (auto& node : nodes.all) node.reset();
  CHECK((*texts[1] == *texts[0]));
}

/// A coroutine that nobody waits for.
struct Detached {
  struct promise_type {
    Detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

Detached count_members(Node& node, std::vector<std::string>& said) {
  while (true) {
    auto change = co_await node.next_view();
    if (!change) {
      said.push_back(change.error().what);
      co_return;
    }
    said.push_back(fmt::format("{} are left", change->view->size()));
  }
}

TEST_CASE("a coroutine goes from view to view, until there are no more") {
  auto configs = make_configs(4, "shm");
  for (Config& config : configs) config.failure_timeout = std::chrono::seconds(5);
  Nodes nodes(configs);
  for (auto& node : nodes.all) node->group("test")->on_deliver([](const Delivery&) {});
  std::vector<std::string> said;
  count_members(*nodes.all[0], said);
  CHECK(said.empty());
  nodes.all[3].reset();
  REQUIRE(nodes.until([&] { return said.size() == 1; }));
  nodes.all[2].reset();
  REQUIRE(nodes.until([&] { return said.size() == 2; }));
  nodes.all[0].reset();
  REQUIRE(said.size() == 3);
  CHECK(said[0] == "3 are left");
  CHECK(said[1] == "2 are left");
  CHECK(said[2] == "the node is gone");
}

}  // namespace
}  // namespace squall
