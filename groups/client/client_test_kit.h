#pragma once
// What tests of clients have in common: members that turn in threads of their own, and clients of
// the same configuration.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/time.h"
#include "groups/client/client.h"
#include "groups/config.h"
#include "groups/node_test_kit.h"
#include "groups/object/object.h"

namespace squall {

struct Counter {
  std::uint64_t value = 0;
  std::uint64_t add(std::uint64_t count) { return value += count; }
  void reset() { value = 0; }
  std::string fail(const std::string& why) { throw std::runtime_error(why); }
  std::string blob(std::uint32_t bytes) { return std::string(bytes, 'x'); }
  std::uint64_t get() const { return value; }
  std::string text(std::uint32_t bytes) const { return std::string(bytes, 'y'); }
  template <class Archive>
  void serialize(Archive& archive) {
    archive(value);
  }
  using methods = Methods<&Counter::add, &Counter::reset, &Counter::fail, &Counter::blob,
                          &Counter::get, &Counter::text>;
};

struct Served {
  template <class Change>
  Served(std::size_t members, const std::string& fabric, Change change) {
    configs = make_configs(members, fabric);
    for (Config& config : configs) {
      config.engine_thread = true;
      config.failure_timeout = std::chrono::seconds(2);
      change(config);
    }
    for (auto& each : start_all(configs)) {
      REQUIRE_MESSAGE(each, (each ? "" : each.error().text()));
      nodes.push_back(std::move(*each));
    }
  }
  explicit Served(std::size_t members, const std::string& fabric = "shm")
      : Served(members, fabric, [](Config&) {}) {}

  Config client_config() const {
    Config config = configs[0];
    config.name = "z";
    config.listen_fd = -1;
    config.engine_thread = false;
    config.start_timeout = std::chrono::seconds(10);
    return config;
  }
  std::unique_ptr<Client> client() const { return client(client_config()); }
  std::unique_ptr<Client> client(const Config& config) const {
    auto client = Client::connect(config);
    REQUIRE_MESSAGE(client, (client ? "" : client.error().text()));
    return std::move(*client);
  }
  template <class T>
  std::vector<Object<T>> objects(std::string_view group = "test") {
    std::vector<Object<T>> all;
    for (auto& node : nodes) {
      all.push_back(node->object<T>(group));
      REQUIRE_MESSAGE(all.back(), all.back().error().text());
    }
    return all;
  }
  std::size_t index_of(const std::string& name) const {
    return static_cast<std::size_t>(name[0] - 'a');
  }

  std::vector<Config> configs;
  std::vector<std::unique_ptr<Node>> nodes;
};

}  // namespace squall
