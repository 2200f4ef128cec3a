#pragma once
// A fabric for tests on which nothing ever happens: everything succeeds, and nothing comes of it.
// Derive from it what a test wants to see.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "core/fabric/fabric.h"

namespace squall::fabric {

class NullFabric : public Fabric {
 public:
  const Capabilities& capabilities() const override { return capabilities_; }
  std::string_view name() const override { return "null"; }
  std::string address() const override { return {}; }
  Result<PeerId> connect(std::string_view, const Ticket&) override { return PeerId{}; }
  void disconnect(PeerId) override {}
  void forget(PeerId) override {}
  Result<> send(PeerId, Lane, Bytes, Token) override { return {}; }
  Result<> expose(RegionId, const Memory&) override { return {}; }
  void conceal(RegionId) override {}
  Result<const std::byte*> import(PeerId, RegionId, std::size_t) override { return nullptr; }
  Result<const std::byte*> import_object(PeerId, RegionId, std::size_t, Memory*) override {
    return nullptr;
  }
  void release(PeerId, RegionId) override {}
  Result<> push(RegionId, std::size_t, std::size_t, Lane, Token) override { return {}; }
  Result<> push_to(PeerId, RegionId, std::size_t, std::size_t, Lane, Token) override { return {}; }
  void flush() override {}
  std::size_t poll(std::span<Event>) override { return 0; }
  bool progressed() const override { return false; }
  void arm() override {}
  void disarm() override {}
  void wait(Time) override {}
  void wake() override {}
  int fd() const override { return -1; }

 protected:
  Capabilities capabilities_;
};

}  // namespace squall::fabric
