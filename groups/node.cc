#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "core/base/assert.h"
#include "core/base/log.h"
#include "core/fabric/topology.h"
#include "groups/node_impl.h"

namespace squall {
namespace {

// What a member's goodbye at the rendezvous says. Anything else is the error that stopped it.
constexpr std::string_view finished_goodbye = "finished";
constexpr std::string_view lost_goodbye = "lost ";
constexpr std::size_t most_goodbye_bytes = 200;

/// Of large objects, on their way to one peer.
constexpr std::size_t wide_window_bytes = std::size_t{4} << 20;

}  // namespace

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

  std::unique_ptr<NodeImpl> node(new NodeImpl(std::move(*met), timing, config.executor));
  if (!plan->everyone_everywhere && !node->met_.joined)
    seat(plan->groups, nullptr, node->met_.view);
  node->price(config, plan->channels);
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
  node->doorway_ = std::make_unique<Doorway>(
      *node->met_.rendezvous, *node->turn_, *node->met_.fabric, node->met_.host, options.timing,
      [raw = node.get()](std::string_view group) { return raw->attachments_.for_clients(group); });
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

/// What it takes to move a large object, for groups that leave its way to us. Those who join later
/// may be elsewhere; then it is only slower than it could be.
void NodeImpl::price(const Config& config, std::vector<engine::ChannelPlan>& channels) const {
  const fabric::Capabilities& can = met_.fabric->capabilities();
  auto cost = multicast::bulk::default_cost(can);
  if (config.link_latency_ns != 0) cost.latency = std::chrono::nanoseconds(config.link_latency_ns);
  if (config.link_bytes_per_second != 0)
    cost.bytes_per_second = static_cast<double>(config.link_bytes_per_second);
  const auto elsewhere = [&](Rank rank) {
    return rank != met_.self && met_.contacts[rank].host != met_.host;
  };
  bool one_host = true;
  for (Rank rank = 0; rank < met_.contacts.size(); ++rank) one_host &= !elsewhere(rank);
  if (one_host)
    cost = multicast::bulk::on_one_host(cost, static_cast<unsigned>(fabric::online_cores()));
  for (engine::ChannelPlan& channel : channels) {
    channel.bulk.cost = cost;
    // Where no processor copies, what is under way holds up nobody, and a long link wants more.
    if (can.writes)
      channel.bulk.window_bytes = std::max(channel.bulk.window_bytes, wide_window_bytes);
  }
}

NodeImpl::~NodeImpl() {
  if (thread_.joinable()) {
    stop_thread_.store(true);
    loop_->wake();
    thread_.join();
  }
  upcalls_.close();
  attachments_.close({Code::closed, "the node is gone", ""});
  end_waits({Code::closed, "the node is gone", ""});
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
  if (!upcalls_.direct()) [[unlikely]]
    rest_or_go_on();
  bool worked = loop_->poll();
  worked |= attachments_.turned();
  worked |= doorway_->turned();
  if (turn_->phase() == engine::Turn::Phase::stopped) [[unlikely]]
    announce_stop();
  if ((turn_->finished() || turn_->left()) && !finished_.load(std::memory_order_relaxed))
      [[unlikely]] {
    attachments_.close({Code::closed, "the node has finished", ""});
    end_waits({Code::closed, "the node has finished", ""});
    finished_.store(true, std::memory_order_release);
  }
  return worked;
}

void NodeImpl::run_thread() {
  while (!stop_thread_.load(std::memory_order_relaxed))
    if (!turn_once()) loop_->idle(never);
}

void NodeImpl::run_in_turn(std::function<void()> work) {
  // Never inside an upcall: it would replace the very function that is running. An executor's
  // threads are not this one, as a rule.
  if (!threaded() && !loop_->in_upcall() && (upcalls_.direct() || loop_->turning_here()))
    return work();
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
  if (text == finished_goodbye) return turn_->peer_finished(member);
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
  const ViewChange change{now, installed.gone, installed.came};
  if (view_handler_) upcalls_.call([handler = view_handler_, change] { handler(change); });
  for (const auto& next : std::exchange(next_view_, {})) next(change);
}

void NodeImpl::next_view(std::function<void(Result<ViewChange>)> next) {
  // Also inside an upcall: a coroutine that was just told of one view waits for the next.
  if (!loop_->turning_here())
    return run_in_turn([this, next = std::move(next)] { wait_for_view(next); });
  wait_for_view(std::move(next));
}

void NodeImpl::wait_for_view(std::function<void(Result<ViewChange>)> next) {
  if (const auto error = stopped()) return next(tl::unexpected(*error));
  if (finished_.load(std::memory_order_relaxed))
    return next(fail(Code::closed, "the node has finished"));
  next_view_.push_back(std::move(next));
}

/// There is no next view for those who wait for one.
void NodeImpl::end_waits(const Error& why) {
  for (const auto& next : std::exchange(next_view_, {})) next(tl::unexpected(why));
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
  if (stopped_handler_)
    upcalls_.call([handler = stopped_handler_, error = *stopped_] { handler(error); });
  end_waits(*stopped_);
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
  while (!finished_.load(std::memory_order_acquire) || !upcalls_.quiet()) {
    if (const auto error = stopped()) return tl::unexpected(*error);
    if (Monotonic::now() >= deadline)
      return fail(Code::timeout, "not everyone has finished in time: " + turn_->unfinished(),
                  std::string(remedy));
    wait_for_room();
  }
  run_in_turn([this] { met_.rendezvous->leave(finished_goodbye); });
  return {};
}

Result<std::unique_ptr<Node>> Node::start(const Config& config) {
  return NodeImpl::start(config);
}

}  // namespace squall
