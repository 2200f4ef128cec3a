// What a node is for its groups: who is called, and where; what they need of the turn.

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <future>
#include <tuple>

#include "groups/coded_group.h"
#include "groups/node_impl.h"

namespace squall {

Result<> NodeImpl::attach(std::string_view name, std::shared_ptr<Attachment> attachment) {
  Group* const found = group(name);
  if (found == nullptr)
    return fail(Code::invalid, fmt::format("no group is called {}", name),
                "name it in the configuration of every member");
  if (auto claimed = attachments_.claim(static_cast<GroupImpl*>(found)->plan()); !claimed)
    return claimed;
  static_cast<GroupImpl*>(found)->attached();
  run_in_turn([this, group = std::string(name), attachment = std::move(attachment)] {
    attachments_.add(group, attachment);
  });
  return {};
}

void NodeImpl::add_group(const GroupPlan& plan) {
  mirror::RingWriter* const writer = turn_->writer(plan.first);
  mirror::Outbox* const outbox = turn_->outbox(plan.first);
  if (plan.codecs.empty())
    groups_.push_back(std::make_unique<GroupImpl>(*this, *loop_, plan, writer, outbox));
  else
    groups_.push_back(std::make_unique<CodedGroup>(*this, *loop_, plan, writer, outbox));
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

void NodeImpl::deliver_to(std::size_t channel, multicast::DeliverFunction upcall, bool queued) {
  run_in_turn([this, channel, upcall = std::move(upcall), queued] {
    queued_.erase(channel);
    if (queued) queued_[channel] = upcall;
    if (!queued || !resting_) turn_->on_deliver(channel, upcall);
  });
}

/// The executor has too much to do; or no more.
void NodeImpl::rest_or_go_on() {
  if (upcalls_.full() == resting_) return;
  resting_ = !resting_;
  for (const auto& [channel, upcall] : queued_)
    turn_->on_deliver(channel, resting_ ? multicast::DeliverFunction() : upcall);
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

std::string Laggard::text() const {
  return fmt::format("{}: {} rounds missing, {} bytes unconsumed", name, missing_rounds,
                     unconsumed_bytes);
}

}  // namespace squall
