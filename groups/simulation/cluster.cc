#include "groups/simulation/cluster.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>

#include "core/base/assert.h"

namespace squall::simulation {
namespace {

fabric::Ticket ticket_of(Rank left, Rank right) {
  fabric::Ticket ticket{};
  ticket[0] = static_cast<std::byte>(std::min(left, right));
  ticket[1] = static_cast<std::byte>(std::max(left, right));
  return ticket;
}

View make_view(Rank members) {
  View view;
  view.id = ViewId{1};
  for (Rank rank = 0; rank < members; ++rank)
    view.members.push_back({NodeId{rank + 1}, Incarnation{1}, Cluster::name(rank)});
  return view;
}

}  // namespace

Cluster::Cluster(const Options& options, Deliver deliver)
    : options_(options),
      random_(options.seed),
      network_(options.network),
      nodes_(options.members),
      deliver_(std::move(deliver)) {
  multicast::StageFactory stages = options.stages;
  if (!stages) {
    const auto stack = Stack::parse(options.stack);
    SQUALL_ASSERT(stack, "the simulated stack must fit");
    stages = stack->factory();
  }
  std::vector<NodeId> senders;
  for (const Rank rank : options.senders) senders.push_back(NodeId{rank + 1});
  for (Rank rank = 0; rank < options.members; ++rank)
    nodes_[rank].fabric = network_.open(name(rank));
  for (Rank rank = 0; rank < options.members; ++rank) {
    std::vector<engine::Contact> contacts;
    for (Rank other = 0; other < options.members; ++other)
      contacts.push_back({nodes_[other].fabric->address(), ticket_of(rank, other)});
    std::vector<engine::ChannelPlan> plans{
        {"simulated", senders, senders.empty(), options.ring_bytes, stages}};
    engine::Turn::Options member = options.member;
    member.seed = random_.next();
    nodes_[rank].turn = std::make_unique<engine::Turn>(
        *nodes_[rank].fabric, make_view(options.members), rank, std::move(contacts),
        std::move(plans), member, network_.now());
    nodes_[rank].turn->on_deliver(
        0, [this, rank](const multicast::Delivery& message) { deliver_(rank, message); });
  }
}

Cluster::~Cluster() {
  for (Node& node : nodes_) node.turn.reset();
}

bool Cluster::try_send(Rank member, Bytes message) {
  if (!alive(member)) return false;
  mirror::RingWriter* const writer = nodes_[member].turn->writer(0);
  mirror::RingWriter::Claim claim;
  if (writer == nullptr || !writer->claim(message.size(), claim)) return false;
  if (!message.empty()) std::memcpy(claim.message, message.data(), message.size());
  writer->commit(claim);
  return true;
}

bool Cluster::turn_node(Rank member) {
  Node& node = nodes_[member];
  if (!node.alive) return false;
  bool worked = application_ && application_(member);
  std::array<fabric::Event, 16> events;
  const std::size_t count = node.fabric->poll(events);
  worked |= node.fabric->progressed();
  const auto outcome = node.turn->run(network_.now(), std::span(events).first(count));
  node.deadline = outcome.deadline;
  return worked || outcome.worked;
}

bool Cluster::turn_everyone() {
  std::vector<Rank> order(nodes_.size());
  std::iota(order.begin(), order.end(), Rank{0});
  for (std::size_t left = order.size(); left > 1; --left)
    std::swap(order[left - 1], order[random_.below(left)]);
  bool worked = false;
  for (const Rank rank : order) {
    const bool lazy = rank < options_.laziness.size() && options_.laziness[rank] > 1;
    // Who stays in bed may have work to do, so the round counts as work.
    if (lazy && !random_.one_in(options_.laziness[rank])) {
      worked |= alive(rank);
      continue;
    }
    worked |= turn_node(rank);
  }
  return worked;
}

bool Cluster::run_until(const std::function<bool()>& done, Time limit) {
  // A microsecond passes with every round, so that a busy group does not stop the clock.
  constexpr Duration round = std::chrono::microseconds(1);
  while (!done()) {
    if (network_.now() >= limit) return false;
    if (turn_everyone()) {
      network_.run_until(network_.now() + round);
      continue;
    }
    Time next = network_.next_event();
    for (const Node& node : nodes_)
      if (node.alive) next = std::min(next, node.deadline);
    if (next == never) return done();
    network_.run_until(std::min(limit, std::max(next, network_.now() + round)));
  }
  return true;
}

bool Cluster::start(Time limit) {
  return run_until(
      [this] {
        return std::ranges::all_of(nodes_, [](const Node& node) {
          return node.turn->phase() == engine::Turn::Phase::running;
        });
      },
      limit);
}

void Cluster::crash(Rank member) {
  nodes_[member].alive = false;
  network_.crash(name(member));
}

}  // namespace squall::simulation
