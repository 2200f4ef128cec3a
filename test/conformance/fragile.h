#pragma once
// Two nodes over shm and tcp in one process, whose links can be cut
// at either end, as if the fabric had lost them. One thread.

#include <doctest/doctest.h>

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/time.h"
#include "core/fabric/fabric.h"
#include "core/fabric/memory.h"
#include "core/fabric/provider.h"
#include "providers/mixed/mixed.h"
#include "providers/ofi/ofi.h"
#include "providers/shm/shm.h"

namespace squall::conformance {

using fabric::Event;
using fabric::Lane;
using fabric::Memory;
using fabric::PeerId;
using fabric::RegionId;
using fabric::Token;
using Kind = Event::Kind;

/// A fabric that loses what it is told to.
class Fragile final : public fabric::Fabric {
 public:
  explicit Fragile(std::unique_ptr<fabric::Fabric> below) : below_(std::move(below)) {}

  /// All its connections are lost, here; the other end sees them hung up.
  void cut() {
    for (const PeerId peer : up_) {
      below_->disconnect(peer);
      lost_.push_back(peer);
    }
    up_.clear();
  }
  bool has_links() const { return !up_.empty(); }

  const fabric::Capabilities& capabilities() const override { return below_->capabilities(); }
  std::string_view name() const override { return below_->name(); }
  std::string address() const override { return below_->address(); }
  Result<PeerId> connect(std::string_view address, const fabric::Ticket& ticket) override {
    return below_->connect(address, ticket);
  }
  void disconnect(PeerId peer) override {
    std::erase(up_, peer);
    std::erase(lost_, peer);
    below_->disconnect(peer);
  }
  void forget(PeerId peer) override { below_->forget(peer); }
  Result<> send(PeerId peer, Lane lane, Bytes message, Token token) override {
    return below_->send(peer, lane, message, token);
  }
  Result<> send_quietly(PeerId peer, Lane lane, Bytes message) override {
    return below_->send_quietly(peer, lane, message);
  }
  Result<> expose(RegionId region, const Memory& memory) override {
    return below_->expose(region, memory);
  }
  void conceal(RegionId region) override { below_->conceal(region); }
  Result<const std::byte*> import(PeerId peer, RegionId region, std::size_t bytes) override {
    return below_->import(peer, region, bytes);
  }
  Result<const std::byte*> import_object(PeerId peer, RegionId region, std::size_t bytes,
                                         Memory* landing) override {
    return below_->import_object(peer, region, bytes, landing);
  }
  void release(PeerId peer, RegionId region) override { below_->release(peer, region); }
  Result<> push(RegionId region, std::size_t offset, std::size_t bytes, Lane lane,
                Token token) override {
    return below_->push(region, offset, bytes, lane, token);
  }
  Result<> push_to(PeerId peer, RegionId region, std::size_t offset, std::size_t bytes, Lane lane,
                   Token token) override {
    return below_->push_to(peer, region, offset, bytes, lane, token);
  }
  void flush() override { below_->flush(); }
  std::size_t poll(std::span<Event> events) override {
    std::size_t count = 0;
    for (; count < events.size() && !lost_.empty(); lost_.pop_front()) {
      events[count] = {.kind = Kind::lost, .ok = false, .peer = lost_.front()};
      events[count++].text = "it was cut";
    }
    const std::size_t first = count;
    count += below_->poll(events.subspan(count));
    for (const Event& event : events.first(count).subspan(first)) {
      if (event.kind == Kind::connected) up_.push_back(event.peer);
      if (event.kind == Kind::lost) std::erase(up_, event.peer);
    }
    return count;
  }
  bool progressed() const override { return below_->progressed(); }
  bool message_waits() const override { return below_->message_waits(); }
  void arm() override { below_->arm(); }
  void disarm() override { below_->disarm(); }
  void wait(Time until) override { below_->wait(until); }
  bool wait_beside(int descriptor, Time until) override {
    return below_->wait_beside(descriptor, until);
  }
  void wake() override { below_->wake(); }
  int fd() const override { return below_->fd(); }

 private:
  std::unique_ptr<fabric::Fabric> below_;
  std::vector<PeerId> up_;
  std::deque<PeerId> lost_;
};

/// A node over shm and tcp, or over tcp alone if it is on another host.
struct Node {
  explicit Node(std::string_view host = "here") {
    mixed::Children children;
    for (const auto& provider : {shm::make_provider(), ofi::make_tcp()}) {
      auto opened = provider->open({});
      REQUIRE(opened);
      auto child = std::make_unique<Fragile>(std::move(*opened));
      links.push_back(child.get());
      children.push_back(std::move(child));
    }
    auto made = mixed::make("shm+tcp", host, std::move(children));
    REQUIRE(made);
    fabric = std::move(*made);
  }

  void turn() {
    std::array<Event, 8> events;
    fabric->flush();
    const std::size_t count = fabric->poll(events);
    for (const Event& event : std::span(events).first(count)) {
      if (event.kind == Kind::lost) lost = std::string(event.text);
      joined |= event.kind == Kind::connected;
      if (on_event) on_event(event);
    }
  }

  std::vector<Fragile*> links;  ///< shm and tcp
  std::unique_ptr<fabric::Fabric> fabric;
  std::function<void(const Event&)> on_event;
  bool joined = false;
  std::string lost;
};

/// Two nodes and their connection.
struct Two {
  explicit Two(std::string_view far_host = "here") : nodes{Node(), Node(far_host)} {
    fabric::Ticket ticket{};
    ticket[0] = std::byte{7};
    for (std::size_t at = 0; at < 2; ++at) {
      auto peer = nodes[at].fabric->connect(nodes[1 - at].fabric->address(), ticket);
      REQUIRE(peer);
      peers[at] = *peer;
    }
    REQUIRE(until([this] { return nodes[0].joined && nodes[1].joined; }));
  }
  void turn() {
    for (Node& node : nodes) node.turn();
  }
  bool until(const std::function<bool()>& done) {
    const Time deadline = Monotonic::now() + 20s;
    while (!done()) {
      if (Monotonic::now() > deadline) return false;
      turn();
    }
    return true;
  }
  /// Both links are up at both ends, so that there is another one when one is cut.
  bool all_up() {
    return until([this] {
      for (const Node& node : nodes)
        for (const Fragile* link : node.links)
          if (!link->has_links()) return false;
      return true;
    });
  }

  std::array<Node, 2> nodes;
  std::array<PeerId, 2> peers;
};

}  // namespace squall::conformance
