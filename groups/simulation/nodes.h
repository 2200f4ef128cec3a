#pragma once
// The members of a simulated group as their applications see them: squall::Node for each, so that
// replicated objects, and whatever else is written against groups/node.h, run in virtual time with
// faults. Waiting for a future, `send`, `shutdown` and `leave` turn the cluster until it is there.
//
//   simulation::Nodes nodes({.members = 3});
//   auto a = nodes.node(0)->object<Inventory>("simulated");
//   auto b = ...;                        // every member has its replica
//   a.update<&Inventory::add>("bolts", 5).get(nodes.node(0)->now() + 1s);
//   nodes.cluster().crash(1);

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "core/membership/timing.h"
#include "groups/node.h"
#include "groups/simulation/cluster.h"

namespace squall::simulation {

class SimNode;

class Nodes {
 public:
  /// The group is one channel, on everyone, with a stack that changes no bytes; its state is what
  /// Group::on_state (or an object) says, so Options::state and Options::channels stay empty.
  explicit Nodes(const Options& options);
  ~Nodes();

  /// For its faults, its time, and what its nodes are: its callbacks are set here instead.
  Cluster& cluster() { return cluster_; }
  const Cluster& cluster() const { return cluster_; }

  /// Of its last run that is, or was, a member; nullptr: none was so far. It is valid until the
  /// next run of it is one: calls of its objects that are still under way then fail (Code::closed),
  /// though whoever made them is no more.
  squall::Node* node(Rank member);

  /// What it has for clients that are no members (groups/client/service.h); nullptr: nothing.
  clients::Service* for_clients(Rank member);

  /// Called for each node that there is, and for each that comes (or comes again) before it turns:
  /// what its application does first. Who comes calls nothing that waits there.
  void on_node(std::function<void(Rank member, squall::Node& node)> begin);
  /// As those of the cluster.
  void set_application(Cluster::Application application) { application_ = std::move(application); }
  void set_after_turn(std::function<void(Rank member)> look) { look_ = std::move(look); }

 private:
  void come(Rank member);

  const std::string group_;
  const unsigned provides_;
  const membership::Timing timing_;
  Cluster cluster_;
  std::deque<std::unique_ptr<SimNode>> nodes_;
  std::function<void(Rank, squall::Node&)> begin_;
  Cluster::Application application_;
  std::function<void(Rank)> look_;
};

}  // namespace squall::simulation
