#include "core/engine/turn.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/log.h"

namespace squall::engine {
namespace {

// Deliveries of one channel in one turn, so that a busy channel does not starve the others and
// `consumed` goes out in time.
constexpr std::size_t deliveries_at_once = 8192;

// Leaving in good order takes two steps, so that nobody closes while another still needs a word
// from it: a member that has seen everyone drained says so, and may go once all have said so.
constexpr std::uint64_t drained = 1;      // all that I sent is delivered everywhere
constexpr std::uint64_t all_drained = 2;  // I have seen that everyone is drained

fabric::RegionId node_region(ViewId view) {
  // Channel 0xffff, kind 1: no channel of a view has this index.
  return static_cast<fabric::RegionId>(raw(view) << 24 | 0xffff01);
}

}  // namespace

Turn::Turn(fabric::Fabric& fabric, View view, Rank self, std::vector<Contact> contacts,
           std::vector<ChannelPlan> plans)
    : fabric_(fabric),
      view_(std::move(view)),
      self_(self),
      plans_(std::move(plans)),
      peers_(view_.size()),
      upcalls_(plans_.size()) {
  SQUALL_ASSERT(self_ < view_.size() && contacts.size() == view_.size(), "one contact per member");
  peers_[self_].connected = peers_[self_].attached = true;
  connect(contacts);
}

Turn::~Turn() {
  for (const Peer& peer : peers_)
    if (peer.id && !peer.lost) fabric_.disconnect(*peer.id);
}

void Turn::connect(const std::vector<Contact>& contacts) {
  for (Rank rank = 0; rank < view_.size() && !failure_; ++rank) {
    if (rank == self_) continue;
    auto peer = fabric_.connect(contacts[rank].fabric_address, contacts[rank].ticket);
    if (!peer)
      stop(Error{peer.error().code,
                 fmt::format("cannot connect to {} over {}: {}", view_.members[rank].name,
                             fabric_.name(), peer.error().what),
                 peer.error().remedy});
    else
      peers_[rank].id = *peer;
  }
}

Turn::Outcome Turn::run(Time now, std::span<const fabric::Event> events) {
  Outcome outcome{!events.empty()};
  now_ = now;
  for (const fabric::Event& event : events) handle(event);
  if (phase_ == Phase::stopped) return outcome;
  if (phase_ == Phase::connecting &&
      std::ranges::all_of(peers_, [](const Peer& peer) { return peer.connected; })) {
    build();
    outcome.worked = true;
  }
  turn_channels(now, outcome);
  if (phase_ == Phase::attaching &&
      std::ranges::all_of(peers_, [](const Peer& peer) { return peer.attached; }) &&
      std::ranges::all_of(channels_, [](const auto& channel) { return channel->ready(); })) {
    phase_ = Phase::running;
    outcome.worked = true;
  }
  if (finishing_ && phase_ == Phase::running) outcome.worked |= turn_finish();
  if (failure_) phase_ = Phase::stopped;
  return outcome;
}

void Turn::turn_channels(Time now, Outcome& outcome) {
  for (const auto& channel : channels_) {
    const auto turned = channel->exchange(now);
    outcome.worked |= turned.worked;
    outcome.deadline = std::min(outcome.deadline, turned.deadline);
  }
  // Before the upcalls: what peers wait for leaves first.
  fabric_.flush();
  for (std::size_t index = 0; index < channels_.size(); ++index) {
    std::size_t delivered = 0;
    do {
      delivered =
          upcalls_[index] ? channels_[index]->deliver(upcalls_[index], deliveries_at_once) : 0;
      outcome.worked |= delivered != 0;
      // The last turn leaves nothing behind that may be delivered.
    } while (failure_ && delivered == deliveries_at_once);
    if (const auto culprit = channels_[index]->culprit())
      lose(*culprit,
           "its counters or frames cannot be right: its memory is damaged or it runs "
           "other code");
  }
}

void Turn::handle(const fabric::Event& event) {
  using Kind = fabric::Event::Kind;
  const auto rank = rank_of(event.peer);
  switch (event.kind) {
    case Kind::connected:
      if (rank) peers_[*rank].connected = true;
      break;
    case Kind::lost:
      if (rank) lose(*rank, event.text);
      break;
    case Kind::attached:
      if (!rank) break;
      if (table_ && event.region == table_->region()) {
        table_->push_to(event.peer);
        peers_[*rank].attached = true;
      } else {
        for (const auto& channel : channels_)
          if (channel->attached(event.peer, event.region)) break;
      }
      break;
    case Kind::message:    // nothing above uses messages yet
    case Kind::completed:  // nor tokens: ring bytes are not rewritten before all have delivered
      break;
  }
}

void Turn::build() {
  phase_ = Phase::attaching;
  std::vector<fabric::PeerId> ids;
  for (const Peer& peer : peers_) ids.push_back(peer.id.value_or(fabric::PeerId{}));
  mirror::TableLayout layout;
  leaving_ = layout.add(1, mirror::TableLayout::Place::own_line);
  auto table = mirror::Table::create(fabric_, node_region(view_.id), layout, self_, ids);
  if (!table) return stop(table.error());
  table_ = std::move(*table);
  for (std::size_t index = 0; index < plans_.size(); ++index) {
    const ChannelPlan& plan = plans_[index];
    multicast::ChannelOptions options;
    options.view = view_.id;
    options.index = static_cast<std::uint16_t>(index);
    options.shape = {view_.size(), self_, plan.senders};
    options.ring_bytes = plan.ring_bytes;
    if (options.shape.own_index() < options.shape.sender_count()) {
      auto writer = mirror::RingWriter::create(plan.ring_bytes);
      if (!writer) return stop(writer.error());
      options.writer = writers_.emplace_back(std::move(*writer)).get();
    }
    auto channel = multicast::Channel::create(fabric_, ids, options, plan.factory);
    if (!channel) return stop(channel.error());
    channels_.push_back(std::move(*channel));
  }
}

bool Turn::turn_finish() {
  const auto all_at = [&](std::uint64_t stage) {
    for (Rank rank = 0; rank < peers_.size(); ++rank)
      if (!peers_[rank].lost && table_->get(rank, leaving_) < stage) return false;
    return true;
  };
  const std::uint64_t before = table_->get(self_, leaving_);
  std::uint64_t mine = before;
  if (mine == 0 &&
      std::ranges::all_of(channels_, [](const auto& channel) { return channel->drained(); }))
    mine = drained;
  // My own word counts too, but only once it is said: hence two turns for the two steps.
  if (before == drained && all_at(drained)) mine = all_drained;
  if (mine != before) {
    table_->raise(leaving_, 0, mine);
    table_->push();
    fabric_.flush();
  }
  if (mine == all_drained && all_at(all_drained)) finished_ = true;
  return mine != before;
}

void Turn::lose(Rank member, std::string_view reason) {
  Peer& peer = peers_[member];
  if (member == self_ || peer.lost || phase_ == Phase::stopped) return;
  peer.lost = true;
  for (const auto& channel : channels_) channel->freeze(now_);
  if (peer.id) fabric_.disconnect(*peer.id);
  // One that had drained needs nothing more from us, nor we from it, once we are as far.
  if (table_ && table_->get(member, leaving_) >= drained && table_->get(self_, leaving_) >= drained)
    return;
  log(Level::info, "member {} is lost: {}", view_.members[member].name, reason);
  if (failure_) return;
  lost_member_ = member;
  failure_ =
      Error{Code::lost, fmt::format("member {} was lost: {}", view_.members[member].name, reason),
            "the group cannot go on without it yet: start all members again"};
}

void Turn::stop(Error error) {
  if (!failure_) failure_ = std::move(error);
  phase_ = Phase::stopped;
}

void Turn::on_deliver(std::size_t channel, multicast::DeliverFunction upcall) {
  upcalls_[channel] = std::move(upcall);
}

std::optional<Rank> Turn::rank_of(fabric::PeerId peer) const {
  for (Rank rank = 0; rank < peers_.size(); ++rank)
    if (peers_[rank].id == peer) return rank;
  return std::nullopt;
}

std::string Turn::names_of(const std::function<bool(Rank)>& wanted) const {
  std::string names;
  for (Rank rank = 0; rank < peers_.size(); ++rank)
    if (wanted(rank)) names += (names.empty() ? "" : ", ") + view_.members[rank].name;
  return names;
}

std::string Turn::waiting_for() const {
  return names_of([&](Rank rank) { return !peers_[rank].connected || !peers_[rank].attached; });
}

std::string Turn::unfinished() const {
  return names_of([&](Rank rank) {
    return !table_ || (!peers_[rank].lost && table_->get(rank, leaving_) < drained);
  });
}

}  // namespace squall::engine
