#pragma once
// One run of a simulated member as its application sees it: squall::Node and squall::Group on a
// cluster's turn. What is written against groups/node.h, replicated objects first of all, runs on
// it unchanged. Made by `Nodes`; private to this folder.
//
// It differs from the real one in two things. Whoever waits turns the whole cluster, and time is
// virtual: deadlines are by the member's own clock. And its group is on everyone, with a stack that
// changes no bytes.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/engine/turn.h"
#include "groups/node.h"
#include "groups/simulation/cluster.h"

namespace squall::simulation {

class SimNode;

class SimGroup final : public Group {
 public:
  SimGroup(SimNode& node, Cluster& cluster, Rank member, std::string name);

  std::string_view name() const override { return name_; }
  Membership membership() const override { return membership_; }
  Membership latest_membership() const override { return membership_in(view()); }
  void on_membership(std::function<void(const Membership&)> handler) override;
  std::shared_ptr<const View> view() const override;
  Rank rank() const override;
  std::size_t max_message_bytes() const override;
  std::size_t max_object_bytes() const override;

  Result<Reservation> reserve(std::size_t bytes) override;
  void commit(const Reservation& reservation) override;
  void cancel(const Reservation& reservation) override;
  Result<> try_send(Bytes message) override;
  Result<> send(Bytes message) override;
  Result<Buffer> try_buffer(std::size_t bytes) override;
  Result<Buffer> buffer(std::size_t bytes) override;
  Result<> try_send(Buffer& object) override;
  Result<> send(Buffer object) override;

  void on_state(StateHooks hooks) override;
  void on_deliver(std::function<void(const Delivery&)> handler) override;

  Result<> post(Rank to, Bytes message) override;
  std::size_t max_post_bytes() const override { return turn_.most_post_bytes(); }
  void on_post(std::function<void(Rank, Bytes)> handler) override;

  std::vector<Laggard> laggards() const override;

  // --- for its node

  void be_in(std::shared_ptr<const View> view);
  /// Nothing can be sent any more.
  void close() { closed_ = true; }

 private:
  Membership membership_in(std::shared_ptr<const View> view) const;
  Result<> open() const;

  SimNode& node_;
  Cluster& cluster_;
  const Rank member_;
  engine::Turn& turn_;
  const std::string name_;
  bool closed_ = false;
  Membership membership_;
  std::function<void(const Membership&)> membership_handler_;
};

class SimNode final : public squall::Node {
 public:
  /// `provides`: modules::Property, of the group's stack. The cluster outlives it.
  SimNode(Cluster& cluster, Rank member, std::string group, unsigned provides,
          const Timing& timing);
  ~SimNode() override;

  Group* group(std::string_view name) override { return name == group_.name() ? &group_ : nullptr; }
  Result<> attach(std::string_view group, std::shared_ptr<Attachment> attachment) override;
  std::shared_ptr<const View> view() const override { return view_; }
  const std::shared_ptr<const View>& view_here() const override { return view_; }
  Rank rank() const override { return rank_; }
  bool arrived() const override { return !turn_.arriving(); }
  void on_view(std::function<void(const ViewChange&)> handler) override;
  using squall::Node::next_view;
  void next_view(std::function<void(Result<ViewChange>)> next) override;
  std::string_view fabric() const override { return "sim"; }
  const Timing& timing() const override { return timing_; }
  Time now() const override { return cluster_.now_at(member_); }

  bool threaded() const override { return false; }
  bool turning_here() const override { return true; }
  bool in_upcall() const override { return cluster_.turning(); }

  bool poll() override;
  void idle(Time until) override;
  int fd() const override { return -1; }
  bool arm() override { return false; }
  void wake() override;
  void execute(std::function<void()> work) override;

  std::optional<Error> stopped() const override { return stopped_; }
  void on_stopped(std::function<void(const Error&)> handler) override;

  Result<> shutdown(Time deadline) override;
  Result<> leave(Time deadline) override;

  // --- for its group and for `Nodes`

  /// Its process has not ended.
  bool runs() const { return cluster_.alive(member_) && cluster_.run_of(member_) == run_; }
  Error why_closed() const;
  void wait_a_little();
  clients::Service* for_clients();
  void before_turn();
  void after_turn();

 private:
  void keep_view(const View& view);
  void announce_stop();
  void close(const Error& error);
  Result<> wait_until_finished(Time deadline, std::string_view remedy);

  Cluster& cluster_;
  const Rank member_;
  const Incarnation run_;
  engine::Turn& turn_;
  const Timing timing_;
  const unsigned provides_;
  std::shared_ptr<const View> view_;
  Rank rank_ = 0;
  SimGroup group_;
  std::vector<std::function<void()>> mailbox_;
  std::vector<std::shared_ptr<Attachment>> attached_;
  std::function<void(const ViewChange&)> view_handler_;
  std::vector<std::function<void(Result<ViewChange>)>> next_view_;
  std::function<void(const Error&)> stopped_handler_;
  std::optional<Error> stopped_;
  bool claimed_ = false;   // the group is an attachment's
  bool finished_ = false;  // with everyone, or left alone
};

}  // namespace squall::simulation
