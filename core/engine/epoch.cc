#include "core/engine/epoch.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "core/base/assert.h"
#include "core/base/log.h"

namespace squall::engine {
namespace {

// Deliveries of one channel in one turn, so that a busy channel does not starve the others and
// `consumed` goes out in time.
constexpr std::size_t deliveries_at_once = 8192;

// Leaving together takes two steps: a member that has seen everyone drained says so, and may go
// once all have said so.
constexpr std::uint64_t all_sent_delivered = 1;  // all that I sent is delivered everywhere
constexpr std::uint64_t all_drained = 2;         // I have seen that everyone is that far

fabric::RegionId node_region(ViewId view) {
  // Channel 0xffff, kind 1: no channel of a view has this index.
  return static_cast<fabric::RegionId>(raw(view) << 24 | 0xffff01);
}

}  // namespace

Epoch::Epoch(fabric::Fabric& fabric, const View& view, Rank self,
             const std::vector<ChannelPlan>& plans, Inheritance inheritance, Pace& pace)
    : fabric_(fabric),
      view_(view),
      self_(self),
      plans_(plans),
      inheritance_(std::move(inheritance)),
      pace_(pace),
      peers_(view.size()) {
  peers_[self_].connected = peers_[self_].attached = true;
  for (std::size_t index = 0; index < plans_.size(); ++index)
    places_.push_back(place_in(view_, index, plans_[index], self_));
}

Result<std::unique_ptr<Epoch>> Epoch::create(fabric::Fabric& fabric, const View& view, Rank self,
                                             std::span<const Contact> contacts,
                                             const std::vector<ChannelPlan>& plans,
                                             Inheritance inheritance, Pace& pace) {
  SQUALL_ASSERT(self < view.size() && contacts.size() == view.size(), "one contact per member");
  std::unique_ptr<Epoch> epoch(new Epoch(fabric, view, self, plans, std::move(inheritance), pace));
  for (Rank rank = 0; rank < view.size(); ++rank) {
    if (rank == self) continue;
    auto peer = fabric.connect(contacts[rank].fabric_address,
                               ticket_for(contacts[rank], Purpose::mirrors, view.id));
    if (peer)
      epoch->peers_[rank].id = *peer;
    else
      epoch->unreachable_.push_back({rank, peer.error()});
  }
  // A member alone waits for nobody's event.
  if (view.size() == 1)
    if (auto built = epoch->build(); !built) return tl::unexpected(built.error());
  return epoch;
}

Epoch::~Epoch() {
  mine_.clear();
  table_.reset();
  for (const Peer& peer : peers_) {
    if (!peer.id) continue;
    fabric_.disconnect(*peer.id);
    fabric_.forget(*peer.id);
  }
}

std::optional<Rank> Epoch::rank_of(fabric::PeerId peer) const {
  for (Rank rank = 0; rank < peers_.size(); ++rank)
    if (peers_[rank].id == peer) return rank;
  return std::nullopt;
}

Result<> Epoch::handle(Rank rank, const fabric::Event& event) {
  using Kind = fabric::Event::Kind;
  if (frozen_ || lost_.contains(rank)) return {};
  if (event.kind == Kind::connected) {
    peers_[rank].connected = true;
    if (!table_ && !given_up_ &&
        std::ranges::all_of(peers_, [](const Peer& peer) { return peer.connected; })) {
      auto built = build();
      if (built) return {};
      mine_.clear();
      table_.reset();
      given_up_ = true;
      // Somebody has gone since it connected: an event of its own says so, and the view ends.
      if (built.error().code != Code::lost) return built;
    }
  } else if (event.kind == Kind::attached && table_) {
    if (event.region == table_->region()) {
      table_->push_to(event.peer);
      peers_[rank].attached = true;
    } else {
      for (const Mine& mine : mine_)
        if (mine.channel->attached(event.peer, event.region)) break;
    }
  } else if (event.kind == Kind::message) {
    on_message(rank, event.bytes);
  }
  return {};
}

/// Of large objects: the channel's number, and what the channel understands.
void Epoch::on_message(Rank rank, Bytes message) {
  Reader reader(message);
  const std::size_t index = reader.get<std::uint16_t>();
  const auto found = std::ranges::find(mine_, index, &Mine::index);
  if (!reader.ok() || found == mine_.end() || !places_[index].has(rank))
    return log(Level::warning, "{} sent a message of no channel", view_.members[rank].name);
  const auto& members = places_[index].members;
  const auto place = std::ranges::find(members, rank) - members.begin();
  found->channel->on_message(static_cast<Rank>(place), reader.rest());
}

Result<> Epoch::build() {
  std::vector<fabric::PeerId> ids;
  for (const Peer& peer : peers_) ids.push_back(peer.id.value_or(fabric::PeerId{}));
  mirror::TableLayout layout;
  leaving_ = layout.add(1, mirror::TableLayout::Place::own_line);
  auto table = mirror::Table::create(fabric_, node_region(view_.id), layout, self_, ids);
  if (!table) return tl::unexpected(table.error());
  table_ = std::move(*table);
  for (std::size_t index = 0; index < plans_.size(); ++index) {
    const ChannelPlan& plan = plans_[index];
    const Place& place = places_[index];
    if (!place.self) continue;
    std::vector<fabric::PeerId> peers;
    for (const Rank rank : place.members) peers.push_back(ids[rank]);
    multicast::ChannelOptions options;
    options.view = view_.id;
    options.index = static_cast<std::uint16_t>(index);
    options.shape = {static_cast<Rank>(place.members.size()), *place.self, place.senders, view_.id};
    options.ranks = place.members;
    options.ring_bytes = plan.ring_bytes;
    options.writer = inheritance_.writers[index];
    options.past = inheritance_.pasts[index];
    options.codecs = plan.codecs;
    options.bulk = inheritance_.homes[index];
    auto channel = multicast::Channel::create(fabric_, peers, options, plan.factory);
    if (!channel) return tl::unexpected(channel.error());
    mine_.push_back({index, std::move(*channel)});
  }
  return {};
}

void Epoch::lose(Rank rank) {
  lost_.insert(rank);
  // Its counters were read by the last turn; what came since is not missed, only not counted.
  if (peers_[rank].id) fabric_.disconnect(*peers_[rank].id);
}

Epoch::Turned Epoch::turn(Time now, const Upcalls& upcalls, bool hold, multicast::Hints hints) {
  Turned turned;
  for (const auto& [index, channel] : mine_) {
    if (!channel->due(now, hints)) {
      turned.deadline = std::min(turned.deadline, channel->due_at());
      continue;
    }
    const auto exchanged = channel->exchange(now, hints);
    // What may not be delivered now is no work: who is isolated sleeps.
    turned.worked |= exchanged.worked || (exchanged.deliverable && !hold && upcalls[index]);
    turned.deadline = std::min(turned.deadline, exchanged.deadline);
    turned.upset |= channel->upset();
  }
  // Before the upcalls: what peers wait for leaves first.
  fabric_.flush();
  for (std::size_t at = 0; at < mine_.size() && !hold; ++at) {
    multicast::Channel& channel = *mine_[at].channel;
    if (!channel.deliverable()) continue;
    const auto& upcall = upcalls[mine_[at].index];
    if (!upcall) continue;
    turned.worked |= pace_.run(now, deliveries_at_once, [&](std::size_t limit) {
      return channel.deliver(upcall, limit);
    }) != 0;
    turned.upset |= channel.upset();
  }
  return turned;
}

void Epoch::publish_now() {
  for (const Mine& mine : mine_) mine.channel->publish_now();
  fabric_.flush();
}

std::optional<Rank> Epoch::culprit() const {
  for (const auto& [index, channel] : mine_)
    if (const auto culprit = channel->culprit()) return places_[index].members[*culprit];
  return std::nullopt;
}

bool Epoch::running() const {
  return table_ && !frozen_ &&
         std::ranges::all_of(peers_, [](const Peer& peer) { return peer.attached; }) &&
         std::ranges::all_of(mine_, [](const Mine& mine) { return mine.channel->ready(); });
}

RankSet Epoch::missing() const {
  RankSet missing;
  for (Rank rank = 0; rank < peers_.size(); ++rank)
    if (!(table_ ? peers_[rank].attached : peers_[rank].connected)) missing.insert(rank);
  for (const auto& [index, channel] : mine_)
    for (const Rank rank : places_[index].members)
      if (rank != self_ && !(peers_[rank].id && channel->shown_to(*peers_[rank].id)))
        missing.insert(rank);
  return missing;
}

membership::Frozen Epoch::held() const {
  membership::Frozen held;
  // Not even built: nothing of this view was ever sent.
  for (const Place& place : places_)
    held.received.emplace_back(place.self ? place.senders.size() : 0, Round{0});
  for (const auto& [index, channel] : mine_)
    held.received[index].assign(channel->received().begin(), channel->received().end());
  return held;
}

membership::Frozen Epoch::freeze(Time now) {
  for (const Mine& mine : mine_) mine.channel->freeze(now);
  frozen_ = true;
  return held();
}

void Epoch::cut() {
  for (const Peer& peer : peers_)
    if (peer.id) fabric_.disconnect(*peer.id);
}

bool Epoch::close(const membership::Rounds& trim) {
  if (!table_) {
    for (std::size_t index = 0; index < places_.size(); ++index)
      if (places_[index].self &&
          std::ranges::any_of(trim[index], [](Round round) { return round; }))
        return false;
    return true;
  }
  return std::ranges::all_of(
      mine_, [&](const Mine& mine) { return mine.channel->close(trim[mine.index]); });
}

bool Epoch::exhausted() const {
  return std::ranges::all_of(mine_, [](const Mine& mine) { return mine.channel->exhausted(); });
}

std::vector<multicast::Past> Epoch::pasts() const {
  // Of a view that was never built: what it was to begin with.
  if (!table_) return inheritance_.pasts;
  std::vector<multicast::Past> pasts(plans_.size());
  for (const auto& [index, channel] : mine_) pasts[index] = channel->past();
  return pasts;
}

bool Epoch::drained() const {
  return std::ranges::all_of(mine_, [](const Mine& mine) { return mine.channel->drained(); });
}

/// Who is lost and not excused holds it up: it died and may have sent what only some have, or it
/// has frozen. A view without it, or one that it is in again, comes first.
bool Epoch::all_at(std::uint64_t stage) const {
  for (Rank rank = 0; rank < peers_.size(); ++rank)
    if (!excused_.contains(rank) && table_->get(rank, leaving_) < stage) return false;
  return true;
}

bool Epoch::finish() {
  if (!running() || finished_) return false;
  const std::uint64_t before = table_->get(self_, leaving_);
  std::uint64_t mine = before;
  if (mine == 0 && drained()) mine = all_sent_delivered;
  // My own word counts too, but only once it is said: hence two turns for the two steps.
  if (before == all_sent_delivered && all_at(all_sent_delivered)) mine = all_drained;
  if (mine != before) {
    table_->raise(leaving_, 0, mine);
    table_->push();
    fabric_.flush();
  }
  if (mine == all_drained && all_at(all_drained)) finished_ = true;
  return mine != before;
}

bool Epoch::finish_behind_another() {
  finished_ |= table_ && table_->get(self_, leaving_) == all_drained;
  return finished_;
}

bool Epoch::excuse(Rank rank) {
  if (!table_ || frozen_ || table_->get(rank, leaving_) < all_sent_delivered ||
      table_->get(self_, leaving_) < all_sent_delivered)
    return false;
  excused_.insert(rank);
  lose(rank);
  return true;
}

RankSet Epoch::unfinished() const {
  RankSet missing;
  for (Rank rank = 0; rank < peers_.size(); ++rank)
    if (!table_ || table_->get(rank, leaving_) < all_sent_delivered) missing.insert(rank);
  return missing;
}

}  // namespace squall::engine
