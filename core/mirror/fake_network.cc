#include "core/mirror/fake_network.h"

#include <algorithm>
#include <cstring>

#include "core/fabric/null_fabric.h"

namespace squall::mirror {

class FakeNetwork::Node final : public fabric::NullFabric {
 public:
  Node(FakeNetwork& network, Rank rank) : network_(network), rank_(rank) {}

  const fabric::Capabilities& capabilities() const override { return network_.capabilities_; }
  std::string_view name() const override { return "fake"; }

  Result<fabric::PeerId> connect(std::string_view, const fabric::Ticket&) override {
    return fail(Code::unavailable, "fake nodes are connected already");
  }
  Result<> send(fabric::PeerId, fabric::Lane, Bytes, fabric::Token) override {
    return fail(Code::unavailable, "fake nodes send no messages");
  }

  Result<> expose(fabric::RegionId region, const fabric::Memory& memory) override {
    exposed_[region] = &memory;
    return {};
  }
  void conceal(fabric::RegionId region) override { exposed_.erase(region); }
  Result<const std::byte*> import(fabric::PeerId peer, fabric::RegionId region,
                                  std::size_t bytes) override {
    auto memory = fabric::Memory::create(bytes);
    if (!memory) return tl::unexpected(memory.error());
    Replica& replica = replicas_[{static_cast<Rank>(peer), region}];
    replica.own = std::move(*memory);
    replica.at = {replica.own.data(), bytes};
    return replica.at.data();
  }
  Result<const std::byte*> import_object(fabric::PeerId peer, fabric::RegionId region,
                                         std::size_t bytes, fabric::Memory* landing) override {
    if (landing == nullptr || bytes == 0 || bytes > landing->size())
      return fail(Code::invalid, "the landing is too short");
    replicas_[{static_cast<Rank>(peer), region}] = {.own = {}, .at = {landing->data(), bytes}};
    return landing->data();
  }
  void release(fabric::PeerId peer, fabric::RegionId region) override {
    replicas_.erase({static_cast<Rank>(peer), region});
  }

  Result<> push(fabric::RegionId region, std::size_t offset, std::size_t bytes, fabric::Lane lane,
                fabric::Token token) override {
    for (Rank peer = 0; peer < network_.nodes_.size(); ++peer) {
      if (peer == rank_ || !network_.nodes_[peer]->replicas_.contains({rank_, region})) continue;
      const auto pushed =
          push_to(static_cast<fabric::PeerId>(peer), region, offset, bytes, lane, token);
      if (!pushed) return pushed;
    }
    return {};
  }
  Result<> push_to(fabric::PeerId peer, fabric::RegionId region, std::size_t offset,
                   std::size_t bytes, fabric::Lane, fabric::Token) override {
    const auto at = exposed_.find(region);
    if (at == exposed_.end() || offset > at->second->size() || bytes > at->second->size() - offset)
      return fail(Code::invalid, "outside of the region");
    const std::byte* first = at->second->data() + offset;
    network_.links_[{rank_, static_cast<Rank>(peer)}].push_back(
        {region, offset, std::vector<std::byte>(first, first + bytes)});
    return {};
  }
  void land(Rank from, const FakePush& push) {
    const auto replica = replicas_.find({from, push.region});
    if (replica != replicas_.end() && !push.bytes.empty())
      std::memcpy(replica->second.at.data() + push.offset, push.bytes.data(), push.bytes.size());
  }

  std::map<fabric::RegionId, const fabric::Memory*> exposed_;

 private:
  struct Replica {
    fabric::Memory own{};  ///< empty of an object, which lies in the caller's memory
    MutableBytes at{};
  };

  FakeNetwork& network_;
  Rank rank_;
  std::map<std::pair<Rank, fabric::RegionId>, Replica> replicas_;
};

FakeNetwork::FakeNetwork(Rank nodes, std::size_t inline_bytes) {
  capabilities_.inline_bytes = inline_bytes;
  for (Rank rank = 0; rank < nodes; ++rank) nodes_.push_back(std::make_unique<Node>(*this, rank));
}

FakeNetwork::~FakeNetwork() = default;

fabric::Fabric& FakeNetwork::node(Rank rank) {
  return *nodes_[rank];
}

std::vector<fabric::PeerId> FakeNetwork::peers() const {
  std::vector<fabric::PeerId> ids;
  for (Rank rank = 0; rank < nodes_.size(); ++rank) ids.push_back(fabric::PeerId{rank});
  return ids;
}

const std::deque<FakePush>& FakeNetwork::queued(Rank from, Rank to) const {
  return links_[{from, to}];
}

std::size_t FakeNetwork::land(Rank from, Rank to, std::size_t count) {
  auto& link = links_[{from, to}];
  count = std::min(count, link.size());
  for (std::size_t landed = 0; landed < count; ++landed) {
    nodes_[to]->land(from, link.front());
    link.pop_front();
  }
  return count;
}

void FakeNetwork::land() {
  for (Rank from = 0; from < nodes_.size(); ++from)
    for (Rank to = 0; to < nodes_.size(); ++to) land(from, to);
}

void FakeNetwork::drop(Rank from, Rank to) {
  links_[{from, to}].clear();
}

void FakeNetwork::forge(Rank from, Rank to, fabric::RegionId region, std::size_t offset,
                        std::uint64_t value) {
  std::vector<std::byte> bytes(sizeof(value));
  std::memcpy(bytes.data(), &value, sizeof(value));
  links_[{from, to}].push_back({region, offset, std::move(bytes)});
}

const fabric::Memory* FakeNetwork::memory(Rank owner, fabric::RegionId region) const {
  const auto found = nodes_[owner]->exposed_.find(region);
  return found == nodes_[owner]->exposed_.end() ? nullptr : found->second;
}

}  // namespace squall::mirror
