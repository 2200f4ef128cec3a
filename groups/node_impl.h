#pragma once
// A node as it is: what it met, the turn and the loop that drive it, its groups, and where its
// upcalls run. Private to groups/.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "core/engine/loop.h"
#include "core/engine/turn.h"
#include "core/fabric/rendezvous.h"
#include "groups/attachments.h"
#include "groups/doorway.h"
#include "groups/group.h"
#include "groups/mailbox.h"
#include "groups/meeting_point.h"
#include "groups/node.h"
#include "groups/upcalls.h"

namespace squall {

class NodeImpl final : public Node, public GroupHost {
 public:
  static Result<std::unique_ptr<Node>> start(const Config& config);
  ~NodeImpl() override;

  Group* group(std::string_view name) override {
    const auto found = std::ranges::find(groups_, name, &GroupImpl::name);
    return found == groups_.end() ? nullptr : found->get();
  }
  std::shared_ptr<const View> view() const override {
    const std::lock_guard lock(view_mutex_);
    return view_;
  }
  // It is changed where the node turns.
  const std::shared_ptr<const View>& view_here() const override { return view_; }
  Rank rank() const override {
    const std::lock_guard lock(view_mutex_);
    return rank_;
  }
  void on_view(std::function<void(const ViewChange&)> handler) override {
    run_in_turn([this, handler = std::move(handler)] { view_handler_ = handler; });
  }
  void next_view(std::function<void(Result<ViewChange>)> next) override;
  std::string_view fabric() const override { return met_.fabric->name(); }
  const Timing& timing() const override { return timing_; }

  bool arrived() const override { return !turn_->arriving(); }

  bool threaded() const override { return thread_.joinable(); }
  bool turning_here() const override { return loop_->turning_here(); }
  bool in_upcall() const override { return loop_->in_upcall(); }
  Result<> attach(std::string_view name, std::shared_ptr<Attachment> attachment) override;

  bool poll() override { return !threaded() && !loop_->in_upcall() && turn_once(); }
  void idle(Time until) override {
    if (!threaded()) loop_->idle(until);
  }
  int fd() const override { return threaded() ? -1 : loop_->fd(); }
  bool arm() override { return loop_->arm_fd(); }
  void wake() override { loop_->wake(); }
  void execute(std::function<void()> work) override {
    if (threaded() && loop_->turning_here() && !loop_->in_upcall()) return work();
    run_in_turn(std::move(work));
  }

  std::optional<Error> stopped() const override {
    const std::lock_guard lock(stopped_mutex_);
    return stopped_;
  }
  void on_stopped(std::function<void(const Error&)> handler) override {
    run_in_turn([this, handler = std::move(handler)] { stopped_handler_ = handler; });
  }
  Result<> shutdown(Time deadline) override;
  Result<> leave(Time deadline) override;

 private:
  NodeImpl(Met met, const Timing& timing, const Executor& executor)
      : met_(std::move(met)), timing_(timing), upcalls_(executor, [this] { loop_->wake(); }) {}

  // --- for groups
  std::shared_ptr<const View> host_view() const override { return view(); }
  Rank host_rank() const override { return rank(); }
  const View& host_view_here() const override { return *view_; }
  Rank host_rank_here() const override { return rank_; }
  Upcalls& upcalls() override { return upcalls_; }
  void deliver_to(std::size_t channel, multicast::DeliverFunction upcall, bool queued) override;
  void hand_state(std::size_t channel, engine::StateHooks hooks) override;
  std::vector<Laggard> laggards_of(std::size_t channel) override;
  bool post_to(std::size_t channel, Rank to, Bytes message) override {
    return to < view_->size() && to != rank_ && turn_->post(view_->members[to], channel, message);
  }
  std::size_t most_post_bytes() const override { return turn_->most_post_bytes(); }
  void hand_posts(std::size_t channel, std::function<void(Rank, Bytes)> upcall) override {
    run_in_turn([this, channel, upcall = std::move(upcall)] { turn_->on_post(channel, upcall); });
  }
  void wait_for_room() override;
  Error why_closed() const override;

  void price(const Config& config, std::vector<engine::ChannelPlan>& channels) const;
  void add_group(const GroupPlan& plan);
  bool turn_once();
  void run_thread();
  void run_in_turn(std::function<void()> work) override;
  void stop_node(Error error) override { turn_->stop(std::move(error)); }
  void rest_or_go_on();
  engine::Companion companion();
  bool crowded() const;
  std::vector<Laggard> laggards_here(std::size_t channel);
  void turn_rendezvous(Time now);
  void said_goodbye(Rank member, std::string_view text);
  void say_why();
  void keep_view(const View& view);
  void installed(const engine::Installed& installed);
  void wait_for_view(std::function<void(Result<ViewChange>)> next);
  void end_waits(const Error& why);
  std::optional<Rank> rank_of(std::string_view name) const;
  std::optional<Rank> rank_of_run(const Member& member) const;
  void announce_stop();
  Result<> wait_until_running(Time deadline);
  Result<> wait_until_finished(Time deadline, std::string_view remedy);

  Met met_;
  Timing timing_;
  Upcalls upcalls_;
  std::map<std::size_t, multicast::DeliverFunction> queued_;  // by channel
  bool resting_ = false;                                      // too many of those wait: none is set
  std::unique_ptr<engine::Turn> turn_;
  std::unique_ptr<engine::Loop> loop_;
  std::unique_ptr<Doorway> doorway_;
  std::vector<std::unique_ptr<GroupImpl>> groups_;
  Attachments attachments_;
  std::vector<fabric::Rendezvous::Event> rendezvous_events_;
  Mailbox mailbox_;

  std::function<void(const ViewChange&)> view_handler_;
  std::vector<std::function<void(Result<ViewChange>)>> next_view_;
  mutable std::mutex view_mutex_;
  std::shared_ptr<const View> view_;  // as of the last view change
  Rank rank_ = 0;

  std::function<void(const Error&)> stopped_handler_;
  mutable std::mutex stopped_mutex_;
  std::optional<Error> stopped_;

  std::thread thread_;
  std::atomic<bool> stop_thread_{false};
  std::atomic<bool> finished_{false};  // with everyone, or left alone
};

}  // namespace squall
