#pragma once
// For the tests of this folder: fabrics that remember what their polls said, and two of them
// connected in one process. One thread.

#include <doctest/doctest.h>
#include <poll.h>

#include <array>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/time.h"
#include "core/fabric/fabric.h"
#include "providers/shm/shm.h"

namespace squall::shm {

using fabric::Event;
using fabric::Lane;
using fabric::Memory;
using fabric::PeerId;
using fabric::RegionId;
using Kind = Event::Kind;

inline constexpr RegionId table{7};

inline fabric::Ticket ticket_of(int number) {
  fabric::Ticket ticket{};
  std::memcpy(ticket.data(), &number, sizeof(number));
  return ticket;
}

/// A fabric and everything that its polls said, kept beyond the polls.
struct Node {
  struct Said {
    Event event;
    std::string message;
    std::string text;
  };
  std::unique_ptr<fabric::Fabric> fabric = open();
  std::vector<Said> said;

  static std::unique_ptr<fabric::Fabric> open() {
    auto opened = make_provider()->open({});
    REQUIRE(opened);
    return std::move(*opened);
  }
  void poll() {
    std::array<Event, 8> events;
    const std::size_t count = fabric->poll(events);
    for (const Event& event : std::span(events).first(count))
      said.push_back({event, std::string(as_text(event.bytes)), std::string(event.text)});
  }
  const Said* find(Kind kind) const {
    for (const Said& each : said)
      if (each.event.kind == kind) return &each;
    return nullptr;
  }
};

inline bool turn_until(std::initializer_list<Node*> nodes, const std::function<bool()>& done,
                       Duration limit = 5s) {
  const Time end = Monotonic::now() + limit;
  while (!done()) {
    if (Monotonic::now() > end) return false;
    for (Node* node : nodes) node->poll();
  }
  return true;
}

inline bool readable(const Node& node) {
  pollfd watched{node.fabric->fd(), POLLIN, 0};
  return poll(&watched, 1, 0) == 1;
}

struct Couple {
  Node a, b;
  PeerId a_to_b{}, b_to_a{};

  Couple() {
    a_to_b = a.fabric->connect(b.fabric->address(), ticket_of(1)).value();
    b_to_a = b.fabric->connect(a.fabric->address(), ticket_of(1)).value();
    REQUIRE(
        turn_until({&a, &b}, [&] { return a.find(Kind::connected) && b.find(Kind::connected); }));
  }
  const std::byte* share(const Memory& memory, std::size_t bytes) {
    REQUIRE(a.fabric->expose(table, memory));
    const std::byte* replica = b.fabric->import(b_to_a, table, bytes).value();
    REQUIRE(turn_until({&a, &b}, [&] { return a.find(Kind::attached) != nullptr; }));
    return replica;
  }
};

}  // namespace squall::shm
