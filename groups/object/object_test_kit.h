#pragma once
// What tests of objects have in common: a class to replicate, and members in one process, turned by
// hand from one thread.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <chrono>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/time.h"
#include "groups/config.h"
#include "groups/node.h"
#include "groups/node_test_kit.h"
#include "groups/object/object.h"

namespace squall {

struct Inventory {
  std::map<std::string, int> stock;

  int add(const std::string& item, int count) {
    if (count < 0) throw std::invalid_argument("a negative count of " + item);
    return stock[item] += count;
  }
  Result<int> take(std::string_view item, int count) {
    auto& left = stock[std::string(item)];
    if (left < count)
      return fail(Code::unavailable, fmt::format("only {} {} left", left, item), "order some");
    return left -= count;
  }
  void clear() { stock.clear(); }
  std::string blob(std::uint32_t bytes) { return std::string(bytes, 'x'); }
  int count(const std::string& item) const {
    const auto found = stock.find(item);
    return found == stock.end() ? 0 : found->second;
  }
  const std::map<std::string, int>& all() const { return stock; }
  int broken() const { throw std::runtime_error("no such luck"); }
  template <class Archive>
  void serialize(Archive& archive) {
    archive(stock);
  }
};

/// Polled members of one process: whoever waits turns the others as well.
struct Members {
  explicit Members(std::size_t count, std::string stack = "total | stable") {
    auto configs = make_configs(count, "shm");
    for (Config& config : configs) {
      config.groups = {{.name = "store", .stack = stack}, {.name = "other", .stack = stack}};
      config.failure_timeout = std::chrono::seconds(5);
    }
    for (auto& each : start_all(configs)) {
      REQUIRE_MESSAGE(each, (each ? "" : each.error().text()));
      nodes.push_back(std::move(*each));
    }
  }
  template <class T>
  std::vector<Object<T>> objects(std::string_view name = "store") {
    std::vector<Object<T>> all;
    for (auto& node : nodes)
      if (node) all.push_back(node->object<T>(name));
    for (auto& each : all) REQUIRE_MESSAGE(each, each.error().text());
    return all;
  }
  template <class Done>
  bool turn_until(Done done) {
    const Time limit = soon();
    while (!done() && Monotonic::now() < limit)
      for (auto& node : nodes)
        if (node) node->poll();
    return done();
  }
  std::vector<std::unique_ptr<Node>> nodes;
};

}  // namespace squall
