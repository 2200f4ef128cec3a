#pragma once
// What the tests of this folder share: nodes in one process over real libfabric endpoints, of
// every kind, where every wait has a deadline.

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/base/time.h"
#include "core/fabric/fabric.h"
#include "core/fabric/memory.h"
#include "providers/ofi/ofi.h"
#include "providers/ofi/ofi_fabric.h"
#include "providers/ofi/ofi_msg.h"

namespace squall::ofi {

using fabric::Event;
using fabric::Fabric;
using fabric::Memory;
using Kind = fabric::Event::Kind;

inline constexpr Duration patience = 60s;

struct Kept {
  Event event;
  std::string bytes;
  std::string text;
};

/// A fabric with everything that it reported.
struct Node {
  explicit Node(std::unique_ptr<Fabric> opened) : fabric(std::move(opened)) {}
  void turn() {
    std::array<Event, 7> events;
    fabric->flush();
    const std::size_t count = fabric->poll(events);
    for (std::size_t i = 0; i < count; ++i)
      log.push_back(
          {events[i], std::string(as_text(events[i].bytes)), std::string(events[i].text)});
  }
  std::size_t count(Kind kind) const {
    std::size_t sum = 0;
    for (const Kept& kept : log) sum += kept.event.kind == kind;
    return sum;
  }
  const Kept* last(Kind kind) const {
    for (auto at = log.rbegin(); at != log.rend(); ++at)
      if (at->event.kind == kind) return &*at;
    return nullptr;
  }
  std::unique_ptr<Fabric> fabric;
  std::vector<Kept> log;
};

struct Kin {
  std::string name;
  std::function<Result<std::unique_ptr<Fabric>>()> open;
};

inline std::vector<Kin> all_kinds() {
  const auto as_verbs = []() -> Result<std::unique_ptr<Fabric>> {
    auto transport = MsgTransport::open("tcp", {}, true);
    if (!transport) return tl::unexpected(transport.error());
    return std::make_unique<OfiFabric>("tcp", std::move(*transport));
  };
  return {{"tcp", [] { return make_tcp()->open({}); }},
          {"tcp as verbs", as_verbs},
          {"shm", [] { return make_named("shm")->open({}); }},
          {"tcp;ofi_rxm", [] { return make_named("tcp;ofi_rxm")->open({}); }}};
}

inline std::unique_ptr<Fabric> opened(const Kin& kind) {
  auto fabric = kind.open();
  REQUIRE_MESSAGE(fabric, fabric.error().text());
  return std::move(*fabric);
}

/// Two connected nodes.
struct Pair {
  explicit Pair(const Kin& kind) : a(opened(kind)), b(opened(kind)) {
    ticket[0] = std::byte{42};
    b_at_a = *a.fabric->connect(b.fabric->address(), ticket);
    a_at_b = *b.fabric->connect(a.fabric->address(), ticket);
    REQUIRE(until([&] { return a.count(Kind::connected) == 1 && b.count(Kind::connected) == 1; }));
  }
  bool until(const std::function<bool()>& condition, Duration limit = patience) {
    const Time end = Monotonic::now() + limit;
    while (!condition()) {
      if (Monotonic::now() > end) return false;
      a.turn();
      b.turn();
    }
    return true;
  }
  fabric::Ticket ticket{};
  Node a, b;
  PeerId b_at_a{}, a_at_b{};
};

inline Memory memory(std::size_t bytes) {
  auto made = Memory::create(bytes);
  REQUIRE(made);
  return std::move(*made);
}

inline std::uint64_t load(const std::byte* at) {
  return std::atomic_ref<std::uint64_t>(
             *reinterpret_cast<std::uint64_t*>(const_cast<std::byte*>(at)))
      .load(std::memory_order_acquire);
}
inline void store(std::byte* at, std::uint64_t value) {
  std::memcpy(at, &value, sizeof value);
}

inline constexpr RegionId region{11};

}  // namespace squall::ofi
