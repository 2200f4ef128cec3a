#pragma once
// Nodes of one process over real fabrics, for tests: each with a listener on a free port, what they
// deliver, and their end. Header only; threads as its parts say.

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/time.h"
#include "groups/config.h"
#include "groups/node.h"

namespace squall {

/// A listening socket on a free port, so that no test depends on a fixed one.
inline std::pair<int, std::string> listen_somewhere() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  REQUIRE(bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(listen(fd, 16) == 0);
  REQUIRE(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return {fd, fmt::format("127.0.0.1:{}", ntohs(address.sin_port))};
}

inline std::vector<Config> make_configs(std::size_t members, const std::string& fabric) {
  std::vector<Config> configs(members);
  std::vector<Contact> contacts;
  for (std::size_t i = 0; i < members; ++i) {
    auto [fd, address] = listen_somewhere();
    configs[i].listen_fd = fd;
    contacts.push_back({std::string(1, static_cast<char>('a' + i)), address});
  }
  for (std::size_t i = 0; i < members; ++i) {
    configs[i].name = contacts[i].name;
    configs[i].contacts = contacts;
    configs[i].provider = fabric;
    configs[i].groups = {{.name = "test"}};
  }
  return configs;
}

/// Starts every node at once, since each waits for the others. Who has started turns until all
/// have: others may still need a word from it.
inline std::vector<Result<std::unique_ptr<Node>>> start_all(const std::vector<Config>& configs) {
  std::atomic<std::size_t> left{configs.size()};
  std::vector<std::future<Result<std::unique_ptr<Node>>>> starting;
  for (const Config& config : configs)
    starting.push_back(std::async(std::launch::async, [&config, &left] {
      auto node = Node::start(config);
      --left;
      while (node && left != 0)
        if (!(*node)->poll()) (*node)->idle(Monotonic::now() + std::chrono::milliseconds(1));
      return node;
    }));
  std::vector<Result<std::unique_ptr<Node>>> nodes;
  for (auto& each : starting) nodes.push_back(each.get());
  return nodes;
}

inline Time soon() {
  return Monotonic::now() + std::chrono::seconds(30);
}

/// What one node delivered, safe to read from another thread.
class Log {
 public:
  void add(const Delivery& message) {
    const std::lock_guard lock(mutex_);
    lines_.push_back(fmt::format("{} {} {} {}", message.sender, message.number, message.position,
                                 as_text(message.bytes)));
  }
  std::vector<std::string> lines() const {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

inline void shut_down_all(std::vector<Result<std::unique_ptr<Node>>>& nodes) {
  std::vector<std::future<Result<>>> ending;
  for (auto& node : nodes)
    ending.push_back(std::async(std::launch::async, [&node] { return (*node)->shutdown(soon()); }));
  for (auto& each : ending) {
    const auto ended = each.get();
    CHECK_MESSAGE(ended, (ended ? "" : ended.error().text()));
  }
}

}  // namespace squall
