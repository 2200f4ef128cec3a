#pragma once
// A node's fabric, with an ear on what it sends: how a test lets a node die right before the n-th
// message of the agreement leaves it, be it the first of a turn or one of several.

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/time.h"
#include "core/fabric/fabric.h"
#include "core/fabric/memory.h"
#include "core/membership/ballot_wire.h"

namespace squall::simulation {

class Tap final : public fabric::Fabric {
 public:
  explicit Tap(std::unique_ptr<Fabric> below) : below_(std::move(below)) {}

  /// `action` happens once, instead of the `count`-th ballot (of this kind) from now. It ends the
  /// node, so nothing that follows in that turn leaves it.
  void before_ballot(std::size_t count, std::optional<membership::Message::Kind> kind,
                     std::function<void()> action);

  const fabric::Capabilities& capabilities() const override { return below_->capabilities(); }
  std::string_view name() const override { return below_->name(); }
  std::string address() const override { return below_->address(); }
  Result<fabric::PeerId> connect(std::string_view address, const fabric::Ticket& ticket) override {
    return below_->connect(address, ticket);
  }
  void disconnect(fabric::PeerId peer) override { below_->disconnect(peer); }
  void forget(fabric::PeerId peer) override { below_->forget(peer); }
  Result<> send(fabric::PeerId peer, fabric::Lane lane, Bytes message,
                fabric::Token token) override;
  Result<> expose(fabric::RegionId region, const fabric::Memory& memory) override {
    return below_->expose(region, memory);
  }
  void conceal(fabric::RegionId region) override { below_->conceal(region); }
  Result<const std::byte*> import(fabric::PeerId peer, fabric::RegionId region,
                                  std::size_t bytes) override {
    return below_->import(peer, region, bytes);
  }
  Result<const std::byte*> import_object(fabric::PeerId peer, fabric::RegionId region,
                                         std::size_t bytes, fabric::Memory* landing) override {
    return below_->import_object(peer, region, bytes, landing);
  }
  void release(fabric::PeerId peer, fabric::RegionId region) override {
    below_->release(peer, region);
  }
  Result<> push(fabric::RegionId region, std::size_t offset, std::size_t bytes, fabric::Lane lane,
                fabric::Token token) override {
    return dead_ ? Result<>() : below_->push(region, offset, bytes, lane, token);
  }
  Result<> push_to(fabric::PeerId peer, fabric::RegionId region, std::size_t offset,
                   std::size_t bytes, fabric::Lane lane, fabric::Token token) override {
    return dead_ ? Result<>() : below_->push_to(peer, region, offset, bytes, lane, token);
  }
  void flush() override { below_->flush(); }
  std::size_t poll(std::span<fabric::Event> events) override { return below_->poll(events); }
  bool progressed() const override { return below_->progressed(); }
  void arm() override { below_->arm(); }
  void disarm() override { below_->disarm(); }
  void wait(Time until) override { below_->wait(until); }
  bool wait_beside(int descriptor, Time until) override {
    return below_->wait_beside(descriptor, until);
  }
  void wake() override { below_->wake(); }
  int fd() const override { return below_->fd(); }

 private:
  bool awaited(Bytes message) const;

  std::unique_ptr<Fabric> below_;
  std::size_t left_ = 0;
  std::optional<membership::Message::Kind> kind_;
  bool dead_ = false;
  std::function<void()> action_;
};

}  // namespace squall::simulation
