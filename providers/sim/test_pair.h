#pragma once
// What the tests of this folder share: polling into values, and two nodes that are connected.

#include <doctest/doctest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/time.h"
#include "core/fabric/fabric.h"
#include "core/fabric/memory.h"
#include "providers/sim/options.h"
#include "providers/sim/sim.h"

namespace squall::sim {

using fabric::Event;
using fabric::Lane;
using fabric::Memory;
using fabric::PeerId;
using fabric::RegionId;
using Kind = fabric::Event::Kind;

constexpr fabric::Ticket ticket{std::byte{7}};
constexpr RegionId region{42};

inline Time after(Duration duration) {
  return Time{} + duration;
}

/// An event with what it points to.
struct Seen {
  Kind kind{};
  bool ok{};
  Lane lane{};
  PeerId peer{};
  RegionId region{};
  fabric::Token token{};
  std::string text;
};

inline std::vector<Seen> poll(fabric::Fabric& fabric, std::size_t room = 16) {
  std::vector<Seen> seen;
  std::vector<Event> events(room);
  for (std::size_t count = room; count == room;) {
    count = fabric.poll(events);
    for (std::size_t i = 0; i < count; ++i) {
      const Event& event = events[i];
      seen.push_back({event.kind, event.ok, event.lane, event.peer, event.region, event.token,
                      std::string(event.kind == Kind::lost ? event.text : as_text(event.bytes))});
    }
  }
  return seen;
}

inline std::vector<std::string> messages(const std::vector<Seen>& seen) {
  std::vector<std::string> texts;
  for (const Seen& event : seen)
    if (event.kind == Kind::message) texts.push_back(event.text);
  return texts;
}

inline std::uint64_t word(const std::byte* at) {
  std::uint64_t value = 0;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

/// Nothing costs time but what a test sets: 1 byte a microsecond, 100 us of latency, no headers.
inline Options plain() {
  Options options;
  options.latency = 100us;
  options.bandwidth_bytes_per_s = 1'000'000;
  options.header_bytes = 0;
  return options;
}

/// Two connected nodes at time 1 ms, with nothing left to poll.
struct Pair {
  explicit Pair(const Options& options = plain())
      : network(options), a(network.open("a")), b(network.open("b")) {
    to_b = a->connect(b->address(), ticket).value();
    to_a = b->connect(a->address(), ticket).value();
    network.run_until(after(1ms));
    REQUIRE(poll(*a).size() == 1);
    REQUIRE(poll(*b).size() == 1);
  }
  /// b's replica of the first `bytes` of a page that a exposes; both settle until 2 ms.
  const std::byte* share(std::size_t bytes = 4096) {
    memory = Memory::create(bytes).value();
    REQUIRE(a->expose(region, memory));
    const std::byte* replica = b->import(to_a, region, bytes).value();
    network.run_until(after(2ms));
    REQUIRE(poll(*a).at(0).kind == Kind::attached);
    return replica;
  }
  void put(std::size_t offset, std::uint64_t value) {
    std::memcpy(memory.data() + offset, &value, sizeof(value));
  }

  Network network;
  std::unique_ptr<fabric::Fabric> a, b;
  PeerId to_b{}, to_a{};
  Memory memory;
};

}  // namespace squall::sim
