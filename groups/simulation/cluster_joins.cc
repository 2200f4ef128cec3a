// How nodes come into a simulated group, also again.
#include <utility>

#include "core/base/assert.h"
#include "core/fabric/rendezvous.h"
#include "groups/simulation/cluster.h"

namespace squall::simulation {

using membership::Admission;
using membership::Joining;
using membership::Word;

Porch::House Cluster::house() {
  const auto there = [this](Caller who) -> Node* {
    Node& node = nodes_[who.node];
    return node.alive && node.run == who.run ? &node : nullptr;
  };
  return {
      [there](Caller who) {
        const Node* node = there(who);
        return node ? node->admission.get() : nullptr;
      },
      [there](Caller who) {
        const Node* node = there(who);
        return node ? node->joining.get() : nullptr;
      },
      [this](Rank node) {
        // Of one that is dead: no run that ever was.
        return Caller{node, nodes_[node].alive ? nodes_[node].run : 0};
      },
      [this](Rank node) { return nodes_[node].clock.read(now()); },
      [this](Rank node) { wake(node); },
      [this](Caller who) {
        fabric::Introduction of;
        of.name = name(who.node);
        of.id = NodeId{who.node + 1};
        of.incarnation = Incarnation{who.run};
        of.fabrics.push_back(
            {std::string(nodes_[who.node].fabric->name()), nodes_[who.node].fabric->address()});
        return of;
      },
  };
}

Rank Cluster::join() {
  const auto member = static_cast<Rank>(nodes_.size());
  Node& node = nodes_.emplace_back();
  if (member < options_.clocks.size()) node.clock = options_.clocks[member];
  ask(member);
  return member;
}

void Cluster::restart(Rank member) {
  Node& node = nodes_[member];
  SQUALL_ASSERT(!node.alive, "a process that ended runs again");
  former_turns_.push_back(std::move(node.turn));
  former_fabrics_.push_back(std::move(node.fabric));
  node.admission.reset();
  node.refused.reset();
  node.alive = true;
  node.armed = node.asleep = false;
  node.away_until = now();
  ++node.run;
  ask(member);
}

void Cluster::ask(Rank member) {
  Node& node = nodes_[member];
  node.host = network_.host(name(member));
  node.fabric = std::make_unique<Tap>(network_.open(name(member)));
  std::vector<std::string> contacts;
  for (Rank other = 0; other < node_count(); ++other) contacts.push_back(name(other));
  Word request;
  request.kind = Word::Kind::request;
  for (std::byte& byte : request.secret) byte = static_cast<std::byte>(random_.next());
  node.joining = std::make_unique<Joining>(std::move(contacts), member,
                                           Member{NodeId{member + 1}, run_of(member), name(member)},
                                           std::move(request), options_.member.timing.timeout,
                                           static_cast<Rank>(random_.below(node_count())));
  node.deadline = node.clock.read(now());
}

bool Cluster::turn_joiner(Rank member) {
  Node& node = nodes_[member];
  if (!node.joining) return false;
  Joining& joining = *node.joining;
  joining.step(node.clock.read(now()));
  porch_.act({member, node.run}, joining);
  node.deadline = joining.deadline();
  node.asleep = true;  // until the porch, or its deadline, wakes it
  if (const auto& word = joining.admitted()) {
    std::vector<engine::Contact> contacts;
    for (const membership::Access& access : word->members)
      contacts.push_back({access.fabric_address, access.ticket, access.host});
    const Rank rank = *word->view.rank_of(NodeId{member + 1});
    node.asleep = false;
    begin(member, word->view, rank, std::move(contacts), true);
    porch_.gone({member, node.run});
    node.joining.reset();
    if (came_) came_(member);
    return true;
  }
  if (joining.refused()) {
    const Error why = *joining.refused();
    if (why.code == Code::closed) {
      // It came too late: that run of it is over, in the eyes of the others.
      crash(member);
      restart(member);
      return true;
    }
    crash(member);
    node.joining.reset();
    node.refused = why;
  }
  return false;
}

void Cluster::receive_guests(Rank member) {
  Node& node = nodes_[member];
  const engine::Turn& turn = *node.turn;
  using Phase = engine::Turn::Phase;
  if (turn.phase() == Phase::stopped)
    node.admission->close(Error{Code::would_block, "it is no member any more", ""});
  membership::Entry entry;
  entry.change = turn.entry();
  entry.joined = turn.joined_with_this_view();
  const bool told = entry.change != nullptr && node.admission->has_guests();
  for (Rank rank = 0; told && rank < turn.view().size(); ++rank)
    entry.members.push_back(
        {rank == turn.self() ? node.fabric->address() : turn.contacts()[rank].fabric_address,
         "",
         {}});
  node.admission->step(turn.view(), entry, node.clock.read(now()));
  node.turn->sponsor(node.admission->waiting());
  porch_.act(*node.admission);
}

}  // namespace squall::simulation
