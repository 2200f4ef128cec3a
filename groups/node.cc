#include "groups/node.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <mutex>
#include <thread>
#include <tuple>
#include <vector>

#include "core/base/assert.h"
#include "core/base/log.h"
#include "core/engine/loop.h"
#include "core/fabric/topology.h"
#include "groups/attachments.h"
#include "groups/coded_group.h"
#include "groups/doorway.h"
#include "groups/group.h"
#include "groups/meeting_point.h"

namespace squall {
namespace {

// What a member's goodbye at the rendezvous says. Anything else is the error that stopped it.
constexpr std::string_view finished_goodbye = "finished";
constexpr std::string_view lost_goodbye = "lost ";
constexpr std::size_t most_goodbye_bytes = 200;

/// Hands work from other threads to the one that turns the node. The flag keeps it free when empty.
class Mailbox {
 public:
  void post(std::function<void()> work) {
    const std::lock_guard lock(mutex_);
    work_.push_back(std::move(work));
    waiting_.store(true, std::memory_order_release);
  }
  void run() {
    if (!waiting_.load(std::memory_order_acquire)) return;
    std::vector<std::function<void()>> work;
    {
      const std::lock_guard lock(mutex_);
      work.swap(work_);
      waiting_.store(false, std::memory_order_relaxed);
    }
    for (const auto& each : work) each();
  }

 private:
  std::mutex mutex_;
  std::vector<std::function<void()>> work_;
  std::atomic<bool> waiting_{false};
};

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
  Rank rank() const override {
    const std::lock_guard lock(view_mutex_);
    return rank_;
  }
  void on_view(std::function<void(const ViewChange&)> handler) override {
    run_in_turn([this, handler = std::move(handler)] { view_handler_ = handler; });
  }
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
  int fd() const override { return loop_->fd(); }
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
  NodeImpl(Met met, const Timing& timing) : met_(std::move(met)), timing_(timing) {}

  // --- for groups
  std::shared_ptr<const View> host_view() const override { return view(); }
  Rank host_rank() const override { return rank(); }
  void deliver_to(std::size_t channel, multicast::DeliverFunction upcall) override;
  void hand_state(std::size_t channel, engine::StateHooks hooks) override;
  std::vector<Laggard> laggards_of(std::size_t channel) override;
  bool post_to(std::size_t channel, Rank to, Bytes message) override {
    return turn_->post(to, channel, message);
  }
  std::size_t most_post_bytes() const override { return turn_->most_post_bytes(); }
  void hand_posts(std::size_t channel, std::function<void(Rank, Bytes)> upcall) override {
    run_in_turn([this, channel, upcall = std::move(upcall)] { turn_->on_post(channel, upcall); });
  }
  void wait_for_room() override;
  Error why_closed() const override;

  void add_group(const GroupPlan& plan);
  bool turn_once();
  void run_thread();
  void run_in_turn(std::function<void()> work) override;
  engine::Companion companion();
  bool crowded() const;
  std::vector<Laggard> laggards_here(std::size_t channel);
  void turn_rendezvous(Time now);
  void said_goodbye(Rank member, std::string_view text);
  void say_why();
  void keep_view(const View& view);
  void installed(const engine::Installed& installed);
  std::optional<Rank> rank_of(std::string_view name) const;
  std::optional<Rank> rank_of_run(const Member& member) const;
  void announce_stop();
  Result<> wait_until_running(Time deadline);
  Result<> wait_until_finished(Time deadline, std::string_view remedy);

  Met met_;
  Timing timing_;
  std::unique_ptr<engine::Turn> turn_;
  std::unique_ptr<engine::Loop> loop_;
  std::unique_ptr<Doorway> doorway_;
  std::vector<std::unique_ptr<GroupImpl>> groups_;
  Attachments attachments_;
  std::vector<fabric::Rendezvous::Event> rendezvous_events_;
  Mailbox mailbox_;

  std::function<void(const ViewChange&)> view_handler_;
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

Result<std::unique_ptr<Node>> NodeImpl::start(const Config& config) {
  const Time deadline = Monotonic::now() + config.start_timeout;
  const Timing timing = Timing::with_timeout(config.failure_timeout);
  if (auto fine = membership::check(timing); !fine) return tl::unexpected(fine.error());
  auto plan = make_plan(config);
  if (!plan) return tl::unexpected(plan.error());
  auto met = meet(config, *plan, deadline);
  if (!met) return tl::unexpected(met.error());

  if (met->joined &&
      met->view.seating.size() != (plan->everyone_everywhere ? 0 : plan->channels.size()))
    return fail(Code::refused, "the group seats its members in other channels than there are here",
                "give every member the same configuration");

  std::unique_ptr<NodeImpl> node(new NodeImpl(std::move(*met), timing));
  if (!plan->everyone_everywhere && !node->met_.joined)
    seat(plan->groups, nullptr, node->met_.view);
  engine::Turn::Options options;
  options.timing = timing;
  options.patience = timing.without_majority();
  options.joins = node->met_.joined;
  options.fixed = !config.survive_losses;
  options.clock = [] { return Monotonic::now(); };
  if (!plan->everyone_everywhere)
    options.seat = [groups = plan->groups](const View* before, View& next) {
      seat(groups, before, next);
    };
  options.seed = raw(node->met_.view.members[node->met_.self].incarnation);
  node->turn_ = std::make_unique<engine::Turn>(*node->met_.fabric, node->met_.view, node->met_.self,
                                               node->met_.contacts, std::move(plan->channels),
                                               options, Monotonic::now());
  node->doorway_ =
      std::make_unique<Doorway>(*node->met_.rendezvous, *node->turn_, *node->met_.fabric,
                                node->met_.host, options.timing.interval);
  if (options.fixed)
    node->doorway_->close({Code::refused,
                           "this group stays as it was formed (node.when_lost = stop)",
                           "let every member say node.when_lost = \"continue\""});
  node->keep_view(node->turn_->view());
  node->turn_->on_view([raw = node.get()](const engine::Installed& view) { raw->installed(view); });
  node->loop_ = std::make_unique<engine::Loop>(*node->met_.fabric, *node->turn_, node->crowded(),
                                               node->companion());
  if (auto running = node->wait_until_running(deadline); !running)
    return tl::unexpected(running.error());
  log(Level::info, "{} runs as rank {} of {} over {}: {}", config.name, node->rank(),
      node->view()->size(), node->fabric(), timing.text());
  for (const GroupPlan& group : plan->groups) node->add_group(group);
  if (config.engine_thread) {
    // Else a first send from here would seem to come from inside an upcall.
    node->loop_->hand_over();
    node->thread_ = std::thread([raw = node.get()] { raw->run_thread(); });
  }
  return node;
}

NodeImpl::~NodeImpl() {
  if (thread_.joinable()) {
    stop_thread_.store(true);
    loop_->wake();
    thread_.join();
  }
  attachments_.close({Code::closed, "the node is gone", ""});
}

Result<> NodeImpl::attach(std::string_view name, std::shared_ptr<Attachment> attachment) {
  Group* const found = group(name);
  if (found == nullptr)
    return fail(Code::invalid, fmt::format("no group is called {}", name),
                "name it in the configuration of every member");
  if (auto claimed = attachments_.claim(static_cast<GroupImpl*>(found)->plan()); !claimed)
    return claimed;
  run_in_turn([this, attachment = std::move(attachment)] { attachments_.add(attachment); });
  return {};
}

void NodeImpl::add_group(const GroupPlan& plan) {
  mirror::RingWriter* const writer = turn_->writer(plan.first);
  if (plan.codecs.empty())
    groups_.push_back(std::make_unique<GroupImpl>(*this, *loop_, plan, writer));
  else
    groups_.push_back(std::make_unique<CodedGroup>(*this, *loop_, plan, writer));
  GroupImpl* const group = groups_.back().get();
  for (std::size_t shard = 0; shard < plan.shards; ++shard)
    turn_->on_channel_view(plan.first + shard, [this, group](const engine::Installed& installed) {
      const auto self = installed.view.rank_of(met_.view.members[met_.self].id);
      // That of the node, as a rule; of an earlier view where the state was still on its way.
      const auto mine = view();
      group->be_in(
          mine->id == installed.view.id ? mine : std::make_shared<const View>(installed.view),
          *self);
    });
}

Result<> NodeImpl::wait_until_running(Time deadline) {
  using Phase = engine::Turn::Phase;
  // A joiner may see its first view end before it runs: with what that view still has to deliver,
  // it waits for the application.
  while (turn_->phase() == Phase::forming || turn_->phase() == Phase::stopped) {
    if (!loop_->poll()) loop_->idle(deadline);
    if (turn_->phase() == Phase::stopped) {
      say_why();
      return tl::unexpected(*turn_->failure());
    }
    if (turn_->phase() == Phase::forming && Monotonic::now() >= deadline)
      return fail(Code::timeout,
                  fmt::format("these members were met, but do not answer over {}: {}",
                              met_.fabric->name(), turn_->waiting_for()),
                  "see whether they run and whether this fabric reaches them (`squall info`)");
  }
  return {};
}

bool NodeImpl::turn_once() {
  mailbox_.run();
  bool worked = loop_->poll();
  worked |= attachments_.turned();
  if (turn_->phase() == engine::Turn::Phase::stopped) [[unlikely]]
    announce_stop();
  if ((turn_->finished() || turn_->left()) && !finished_.load(std::memory_order_relaxed))
      [[unlikely]] {
    attachments_.close({Code::closed, "the node has finished", ""});
    finished_.store(true, std::memory_order_release);
  }
  return worked;
}

void NodeImpl::run_thread() {
  while (!stop_thread_.load(std::memory_order_relaxed))
    if (!turn_once()) loop_->idle(never);
}

void NodeImpl::run_in_turn(std::function<void()> work) {
  // Never inside an upcall: it would replace the very function that is running.
  if (!threaded() && !loop_->in_upcall()) return work();
  mailbox_.post(std::move(work));
  loop_->wake();
}

void NodeImpl::turn_rendezvous(Time now) {
  using Kind = fabric::Rendezvous::Event::Kind;
  rendezvous_events_.clear();
  met_.rendezvous->poll(now, rendezvous_events_);
  for (auto& event : rendezvous_events_) {
    if (doorway_->handle(event, now)) continue;
    if (event.kind != Kind::gone && event.kind != Kind::left) continue;
    // The rendezvous numbers those who met; who is in the view no more is gone already.
    const auto member = rank_of_run(met_.view.members[event.rank]);
    if (!member) continue;
    if (event.kind == Kind::gone) turn_->lose(*member, event.error.what);
    if (event.kind == Kind::left) said_goodbye(*member, event.error.what);
  }
  doorway_->step(now);
}

engine::Companion NodeImpl::companion() {
  return {[this](Time now) { turn_rendezvous(now); }, met_.rendezvous->fd(),
          [this] { return std::min(met_.rendezvous->deadline(), doorway_->deadline()); }};
}

/// More members than cores on this host. Who is pinned to one core may have it to itself, whatever
/// the others do; its loop finds out.
bool NodeImpl::crowded() const {
  const auto here = std::ranges::count(turn_->contacts(), met_.host, &engine::Contact::host);
  const std::size_t usable = fabric::usable_cores().size();
  return static_cast<std::size_t>(here) > (usable > 1 ? usable : fabric::online_cores());
}

/// A member that stops because of another says which, so that it is not taken for the first to go.
void NodeImpl::said_goodbye(Rank member, std::string_view text) {
  // It finished because everyone here had come as far as it needs; its last word to us may still
  // have been queued when it went, and not every fabric tells that it is gone.
  if (text == finished_goodbye) return turn_->lose(member, "it has finished");
  if (text.starts_with(lost_goodbye)) {
    const auto first = rank_of(text.substr(lost_goodbye.size()));
    if (first && *first != turn_->self())
      turn_->lose(*first, fmt::format("{} has lost it", turn_->view().members[member].name));
  }
  turn_->lose(member, fmt::format("it stopped: {}", text));
}

void NodeImpl::say_why() {
  const auto lost = turn_->lost_member();
  met_.rendezvous->leave(lost ? fmt::format("{}{}", lost_goodbye, turn_->view().members[*lost].name)
                              : turn_->failure()->what.substr(0, most_goodbye_bytes));
}

std::optional<Rank> NodeImpl::rank_of(std::string_view name) const {
  const auto& members = turn_->view().members;
  const auto found = std::ranges::find(members, name, &Member::name);
  if (found == members.end()) return std::nullopt;
  return static_cast<Rank>(found - members.begin());
}

/// Not of its next run, which may be in the view already.
std::optional<Rank> NodeImpl::rank_of_run(const Member& member) const {
  const auto rank = turn_->view().rank_of(member.id);
  if (rank && turn_->view().members[*rank].incarnation == member.incarnation) return rank;
  return std::nullopt;
}

void NodeImpl::keep_view(const View& view) {
  const std::lock_guard lock(view_mutex_);
  view_ = std::make_shared<const View>(view);
  rank_ = *view.rank_of(met_.view.members[met_.self].id);
}

void NodeImpl::installed(const engine::Installed& installed) {
  keep_view(installed.view);
  loop_->set_crowded(crowded());
  const auto now = view();
  for (const auto& group : groups_) group->look_at(now, rank());
  if (view_handler_) view_handler_({now, installed.gone, installed.came});
}

void NodeImpl::announce_stop() {
  if (!turn_->failure()) return;  // it left
  {
    const std::lock_guard lock(stopped_mutex_);
    if (stopped_) return;
    stopped_ = turn_->failure();
  }
  say_why();
  for (const auto& group : groups_) group->close();
  attachments_.close(*stopped_);
  if (stopped_handler_) stopped_handler_(*stopped_);
}

void NodeImpl::deliver_to(std::size_t channel, multicast::DeliverFunction upcall) {
  run_in_turn([this, channel, upcall = std::move(upcall)] { turn_->on_deliver(channel, upcall); });
}

void NodeImpl::hand_state(std::size_t channel, engine::StateHooks hooks) {
  run_in_turn([this, channel, hooks = std::move(hooks)] { turn_->on_state(channel, hooks); });
}

std::vector<Laggard> NodeImpl::laggards_of(std::size_t channel) {
  if (!threaded() || loop_->turning_here()) return laggards_here(channel);
  std::promise<std::vector<Laggard>> answer;
  mailbox_.post([&] { answer.set_value(laggards_here(channel)); });
  loop_->wake();
  return answer.get_future().get();
}

std::vector<Laggard> NodeImpl::laggards_here(std::size_t channel) {
  std::vector<Laggard> behind;
  const multicast::Channel* asked = turn_->channel(channel);
  if (asked == nullptr) return behind;
  const auto lags = asked->lags();
  const engine::Place place = turn_->place(channel);
  for (std::size_t at = 0; at < lags.size(); ++at) {
    const Rank rank = place.members[at];
    if (lags[at].rounds != 0 || lags[at].ring_bytes != 0)
      behind.push_back(
          {rank, turn_->view().members[rank].name, lags[at].rounds, lags[at].ring_bytes});
  }
  std::ranges::stable_sort(behind, [](const Laggard& left, const Laggard& right) {
    return std::tie(left.missing_rounds, left.unconsumed_bytes) >
           std::tie(right.missing_rounds, right.unconsumed_bytes);
  });
  return behind;
}

Error NodeImpl::why_closed() const {
  const auto error = stopped();
  return error ? *error : Error{Code::closed, "the node is shutting down", ""};
}

void NodeImpl::wait_for_room() {
  if (threaded()) {
    sched_yield();
  } else if (!turn_once()) {
    loop_->idle(Monotonic::now() + std::chrono::milliseconds(1));
  }
}

Result<> NodeImpl::shutdown(Time deadline) {
  SQUALL_ASSERT(!loop_->in_upcall(), "shutdown waits, so it cannot be called from an upcall");
  for (const auto& group : groups_) group->close();
  run_in_turn([this] {
    doorway_->close({Code::would_block, "it is shutting down", ""});
    turn_->finish();
  });
  return wait_until_finished(deadline,
                             "every member must call shutdown, and deliver in every group");
}

Result<> NodeImpl::leave(Time deadline) {
  SQUALL_ASSERT(!loop_->in_upcall(), "leave waits, so it cannot be called from an upcall");
  for (const auto& group : groups_) group->close();
  run_in_turn([this] {
    doorway_->close({Code::would_block, "it is leaving", ""});
    turn_->leave();
  });
  return wait_until_finished(deadline, "every member must deliver in every group");
}

Result<> NodeImpl::wait_until_finished(Time deadline, std::string_view remedy) {
  while (!finished_.load(std::memory_order_acquire)) {
    if (const auto error = stopped()) return tl::unexpected(*error);
    if (Monotonic::now() >= deadline)
      return fail(Code::timeout, "not everyone has finished in time: " + turn_->unfinished(),
                  std::string(remedy));
    wait_for_room();
  }
  run_in_turn([this] { met_.rendezvous->leave(finished_goodbye); });
  return {};
}

}  // namespace

std::string Laggard::text() const {
  return fmt::format("{}: {} rounds missing, {} bytes unconsumed", name, missing_rounds,
                     unconsumed_bytes);
}

Result<std::unique_ptr<Node>> Node::start(const Config& config) {
  return NodeImpl::start(config);
}

}  // namespace squall
