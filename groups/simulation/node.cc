#include "groups/simulation/node.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <tuple>
#include <utility>

#include "core/base/assert.h"
#include "core/mirror/frame.h"
#include "groups/modules/module.h"

namespace squall::simulation {
namespace {

mirror::RingWriter::Claim claim_of(const Reservation& reservation) {
  return {reservation.bytes.data(), reservation.handle,
          static_cast<std::uint32_t>(reservation.bytes.size())};
}

}  // namespace

SimNode::SimNode(Cluster& cluster, Rank member, std::string group, unsigned provides,
                 const Timing& timing)
    : cluster_(cluster),
      member_(member),
      run_(cluster.run_of(member)),
      turn_(cluster.turn(member)),
      timing_(timing),
      provides_(provides),
      group_(*this, cluster, member, std::move(group)) {
  keep_view(turn_.view());
  group_.be_in(view_);
  turn_.on_view([this](const engine::Installed& installed) {
    keep_view(installed.view);
    const ViewChange change{view_, installed.gone, installed.came};
    if (view_handler_) view_handler_(change);
    for (const auto& next : std::exchange(next_view_, {})) next(change);
  });
  turn_.on_channel_view(0, [this](const engine::Installed& installed) {
    group_.be_in(view_->id == installed.view.id ? view_
                                                : std::make_shared<const View>(installed.view));
  });
}

SimNode::~SimNode() {
  close({Code::closed, "the node is gone", ""});
}

Result<> SimNode::attach(std::string_view name, std::shared_ptr<Attachment> attachment) {
  constexpr unsigned needed = modules::total_order | modules::stability;
  if (name != group_.name())
    return fail(Code::invalid, fmt::format("no group is called {}", name),
                fmt::format("the simulated group is called {}", group_.name()));
  if ((provides_ & needed) != needed)
    return fail(Code::refused,
                fmt::format("replicas of an object stay equal only in one order that survives its "
                            "members; the stack of group {} gives less",
                            name),
                "simulate \"total | stable\"");
  if (std::exchange(claimed_, true))
    return fail(Code::invalid, fmt::format("group {} is that of another object already", name),
                "give each object a group of its own");
  attached_.push_back(std::move(attachment));
  return {};
}

void SimNode::keep_view(const View& view) {
  view_ = std::make_shared<const View>(view);
  rank_ = *view.rank_of(NodeId{member_ + 1});
}

void SimNode::on_view(std::function<void(const ViewChange&)> handler) {
  execute([this, handler = std::move(handler)] { view_handler_ = handler; });
}

void SimNode::next_view(std::function<void(Result<ViewChange>)> next) {
  if (stopped_ || finished_) return next(tl::unexpected(why_closed()));
  next_view_.push_back(std::move(next));
}

void SimNode::on_stopped(std::function<void(const Error&)> handler) {
  execute([this, handler = std::move(handler)] { stopped_handler_ = handler; });
}

// --- turns and time

bool SimNode::poll() {
  return !cluster_.turning() && cluster_.turn_all(never);
}

void SimNode::idle(Time until) {
  if (cluster_.turning()) return;
  const Time limit = cluster_.when_at(member_, until);
  if (!cluster_.pass_time(limit) && limit != never) cluster_.network().run_until(limit);
}

void SimNode::wait_a_little() {
  if (!poll()) idle(now() + std::chrono::milliseconds(1));
}

void SimNode::wake() {
  if (runs()) cluster_.wake(member_);
}

void SimNode::execute(std::function<void()> work) {
  // Never inside an upcall: it would replace the very function that is running.
  if (!cluster_.turning()) return work();
  mailbox_.push_back(std::move(work));
  wake();
}

clients::Service* SimNode::for_clients() {
  return attached_.empty() ? nullptr : attached_.front()->for_clients();
}

void SimNode::before_turn() {
  for (const auto& work : std::exchange(mailbox_, {})) work();
}

void SimNode::after_turn() {
  // One of them may add another.
  for (std::size_t at = 0; at < attached_.size(); ++at) attached_[at]->turned();
  if (turn_.phase() == engine::Turn::Phase::stopped) announce_stop();
  if (finished_ || !(turn_.finished() || turn_.left())) return;
  finished_ = true;
  close({Code::closed, "the node has finished", ""});
}

// --- the end

void SimNode::close(const Error& error) {
  for (std::size_t at = 0; at < attached_.size(); ++at) attached_[at]->closed(error);
  for (const auto& next : std::exchange(next_view_, {})) next(tl::unexpected(error));
}

void SimNode::announce_stop() {
  if (stopped_ || !turn_.failure()) return;  // or it left
  stopped_ = turn_.failure();
  group_.close();
  close(*stopped_);
  if (stopped_handler_) stopped_handler_(*stopped_);
}

Error SimNode::why_closed() const {
  if (stopped_) return *stopped_;
  if (!runs()) return {Code::closed, "the node's process has ended", ""};
  return {Code::closed, "the node is shutting down", ""};
}

Result<> SimNode::shutdown(Time deadline) {
  SQUALL_ASSERT(!in_upcall(), "shutdown waits, so it cannot be called from an upcall");
  group_.close();
  turn_.finish();
  wake();
  return wait_until_finished(deadline,
                             "every member must call shutdown, and deliver in every group");
}

Result<> SimNode::leave(Time deadline) {
  SQUALL_ASSERT(!in_upcall(), "leave waits, so it cannot be called from an upcall");
  group_.close();
  turn_.leave();
  wake();
  return wait_until_finished(deadline, "every member must deliver in every group");
}

Result<> SimNode::wait_until_finished(Time deadline, std::string_view remedy) {
  while (!finished_) {
    if (stopped_) return tl::unexpected(*stopped_);
    if (now() >= deadline)
      return fail(Code::timeout, "not everyone has finished in time: " + turn_.unfinished(),
                  std::string(remedy));
    wait_a_little();
  }
  return {};
}

// --- its group

SimGroup::SimGroup(SimNode& node, Cluster& cluster, Rank member, std::string name)
    : node_(node),
      cluster_(cluster),
      member_(member),
      turn_(cluster.turn(member)),
      name_(std::move(name)) {}

std::shared_ptr<const View> SimGroup::view() const {
  return node_.view();
}

Rank SimGroup::rank() const {
  return node_.rank();
}

std::size_t SimGroup::max_message_bytes() const {
  const auto* writer = turn_.writer(0);
  return writer != nullptr ? mirror::max_message_bytes(writer->ring_bytes()) : 0;
}

Result<> SimGroup::open() const {
  if (turn_.writer(0) == nullptr)
    return fail(Code::invalid, fmt::format("this member is no sender of group {}", name_),
                "name it in Options::senders");
  if (closed_ || !node_.runs()) return tl::unexpected(node_.why_closed());
  return {};
}

Result<Reservation> SimGroup::reserve(std::size_t bytes) {
  if (auto may = open(); !may) return tl::unexpected(may.error());
  mirror::RingWriter* const writer = turn_.writer(0);
  if (!writer->fits(bytes))
    return fail(Code::too_large,
                fmt::format("a message of {} bytes; group {} takes at most {}", bytes, name_,
                            max_message_bytes()),
                "cut it into pieces, or raise Options::ring_bytes");
  mirror::RingWriter::Claim space;
  if (!writer->claim(bytes, space)) return fail(Code::would_block, {});
  return Reservation{{space.message, bytes}, space.frame};
}

void SimGroup::commit(const Reservation& reservation) {
  turn_.writer(0)->commit(claim_of(reservation));
  node_.wake();
}

void SimGroup::cancel(const Reservation& reservation) {
  turn_.writer(0)->cancel(claim_of(reservation));
  node_.wake();
}

std::size_t SimGroup::max_object_bytes() const {
  mirror::Outbox* const outbox = turn_.outbox(0);
  return outbox != nullptr ? outbox->pool().limit() : 0;
}

Result<Buffer> SimGroup::try_buffer(std::size_t bytes) {
  if (auto may = open(); !may) return tl::unexpected(may.error());
  return turn_.outbox(0)->pool().take(bytes);
}

Result<Buffer> SimGroup::buffer(std::size_t bytes) {
  while (true) {
    auto made = try_buffer(bytes);
    if (made || made.error().code != Code::would_block || node_.in_upcall()) return made;
    node_.wait_a_little();
  }
}

Result<> SimGroup::try_send(Buffer& object) {
  if (auto may = open(); !may) return may;
  auto sent = turn_.outbox(0)->send(object, true);
  if (sent) node_.wake();
  return sent;
}

Result<> SimGroup::send(Buffer object) {
  while (true) {
    auto sent = try_send(object);
    if (sent || sent.error().code != Code::would_block || node_.in_upcall()) return sent;
    node_.wait_a_little();
  }
}

Result<> SimGroup::try_send(Bytes message) {
  if (const auto* writer = turn_.writer(0); writer != nullptr && !writer->fits(message.size())) {
    auto object = try_buffer(message.size());
    if (!object) return tl::unexpected(object.error());
    std::ranges::copy(message, object->bytes().begin());
    return try_send(*object);
  }
  const auto space = reserve(message.size());
  if (!space) return tl::unexpected(space.error());
  if (!message.empty()) std::memcpy(space->bytes.data(), message.data(), message.size());
  commit(*space);
  return {};
}

Result<> SimGroup::send(Bytes message) {
  while (true) {
    auto sent = try_send(message);
    if (sent || sent.error().code != Code::would_block || node_.in_upcall()) return sent;
    node_.wait_a_little();
  }
}

void SimGroup::on_state(StateHooks hooks) {
  turn_.on_state(0, std::move(hooks));
}

void SimGroup::on_deliver(std::function<void(const Delivery&)> handler) {
  node_.execute([this, handler = std::move(handler)] { cluster_.listen(member_, 0, handler); });
}

Result<> SimGroup::post(Rank to, Bytes message) {
  if (message.size() > max_post_bytes())
    return fail(Code::too_large,
                fmt::format("a message of {} bytes to one member; at most {} go", message.size(),
                            max_post_bytes()),
                "cut it into pieces");
  if (to >= view()->size() || to == rank())
    return fail(Code::invalid, fmt::format("no message to rank {} of {}", to, view()->size()),
                "post to another member of the view");
  if (!node_.runs()) return tl::unexpected(node_.why_closed());
  if (turn_.post(view()->members[to], 0, message)) {
    node_.wake();
    return {};
  }
  if (closed_) return tl::unexpected(node_.why_closed());
  return fail(Code::would_block, {});
}

void SimGroup::on_post(std::function<void(Rank, Bytes)> handler) {
  node_.execute([this, handler = std::move(handler)] { turn_.on_post(0, handler); });
}

std::vector<Laggard> SimGroup::laggards() const {
  std::vector<Laggard> behind;
  const multicast::Channel* const channel = turn_.channel(0);
  if (channel == nullptr) return behind;
  const auto lags = channel->lags();
  for (Rank rank = 0; rank < lags.size(); ++rank)
    if (lags[rank].rounds != 0 || lags[rank].ring_bytes != 0)
      behind.push_back(
          {rank, turn_.view().members[rank].name, lags[rank].rounds, lags[rank].ring_bytes});
  std::ranges::stable_sort(behind, [](const Laggard& left, const Laggard& right) {
    return std::tie(left.missing_rounds, left.unconsumed_bytes) >
           std::tie(right.missing_rounds, right.unconsumed_bytes);
  });
  return behind;
}

void SimGroup::on_membership(std::function<void(const Membership&)> handler) {
  node_.execute([this, handler = std::move(handler)] { membership_handler_ = handler; });
}

Membership SimGroup::membership_in(std::shared_ptr<const View> view) const {
  Membership now;
  now.shards.resize(1);
  now.shards[0].resize(view->size());
  std::iota(now.shards[0].begin(), now.shards[0].end(), Rank{0});
  now.shard = 0;
  now.view = std::move(view);
  return now;
}

void SimGroup::be_in(std::shared_ptr<const View> view) {
  membership_ = membership_in(std::move(view));
  if (membership_handler_) membership_handler_(membership_);
}

}  // namespace squall::simulation
