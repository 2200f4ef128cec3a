// What a member does of its own accord for the objects that it sends and passes on.

#include <utility>

#include "core/base/assert.h"
#include "core/multicast/bulk/transfers.h"

namespace squall::multicast::bulk {

bool Transfers::begin_sending() {
  bool worked = false;
  for (const mirror::Outbox::Item& item : home_.outbox->items()) {
    Outgoing& outgoing = outgoing_[item.number];
    if (outgoing.passed) continue;
    if (maps_) {
      worked |= show(item, outgoing);
      continue;
    }
    if (!outgoing.spread && members() > 1) {
      begin_spread(item, outgoing);
      worked = true;
    }
    if (outgoing.spread) worked |= offer(*outgoing.spread);
  }
  return worked;
}

Word Transfers::terms_of(const mirror::Outbox::Item& item) const {
  const mirror::Slab& slab = *item.buffer->slab();
  Word terms;
  terms.origin = own_;
  terms.number = item.number;
  terms.region = raw(slab.region);
  terms.bytes = item.buffer->size();
  terms.region_bytes = slab.memory.size();
  terms.block_bytes = home_.settings.block_bytes;
  return terms;
}

void Transfers::begin_spread(const mirror::Outbox::Item& item, Outgoing& outgoing) {
  expose(*item.buffer);
  const mirror::Slab& slab = *item.buffer->slab();
  Word terms = terms_of(item);
  terms.schedule = schedule_for(terms.bytes);
  Lent* lent = nullptr;
  if (!fabric_.capabilities().moves && may_stand(terms.schedule) &&
      slab.memory.size() <= home_.places->limit())
    lent = standing_regions_.begin(slab.region, slab.memory.size(), item.number,
                                   home_.outbox->items().front().number);
  for (const auto& [region, ended] : standing_regions_.take_ended())
    tell_retired(own_, region, ended.offered);
  outgoing.spread.emplace(Transfer(terms.schedule, members(), 0, terms.bytes, terms.block_bytes),
                          terms);
  outgoing.spread->buffer = item.buffer;
  if (lent == nullptr) return;
  outgoing.spread->lasting = true;
  outgoing.spread->attached = outgoing.spread->standing = lent->holders;
}

/// Where memory is mapped: to those who have not seen it.
bool Transfers::show(const mirror::Outbox::Item& item, Outgoing& outgoing) {
  const mirror::Slab& slab = *item.buffer->slab();
  const auto [holders, fresh] = holders_.try_emplace(slab.region);
  if (fresh) expose(*item.buffer);
  outgoing.whole = holders->second;
  bool worked = false;
  for (Rank rank = 0; rank < members(); ++rank) {
    if (rank == self_ || holders->second.contains(rank) || outgoing.offered.contains(rank))
      continue;
    outgoing.offered.insert(rank);
    say(rank, fabric::Lane::urgent, terms_of(item));
    worked = true;
  }
  return worked;
}

/// To those who get blocks of it from here.
bool Transfers::offer(Spread& spread) {
  if (std::exchange(spread.offered, true)) return false;
  if (spread.transfer.children().empty()) return true;
  expose(*spread.buffer);
  const mirror::Slab& slab = *spread.buffer->slab();
  Word word = spread.terms;  // what it began with here, which may have been a block
  word.kind = Word::Kind::offer;
  word.region = raw(slab.region);
  word.stays = spread.lasting;
  // Of what stays no more than its sender can fill, however large the place is.
  if (!word.stays) word.region_bytes = slab.memory.size();
  Lent* const of = word.stays ? lent(slab.region) : nullptr;
  for (const Place child : spread.transfer.children()) {
    const Rank to = rank_at(child, word.origin);
    if (spread.standing.contains(to)) continue;
    if (of != nullptr) of->offered.insert(to);
    say(to, fabric::Lane::urgent, word);
  }
  return true;
}

/// A block of each sender's in turn, so that they share what there is of the links. Of one sender
/// the objects go one after the other, since that is how they are delivered; the next one takes
/// what the one before it leaves.
bool Transfers::push_blocks() {
  std::map<std::uint32_t, std::vector<Spread*>> spreads;  // by origin, in the order of numbers
  for (auto& [number, outgoing] : outgoing_)
    if (outgoing.spread && !outgoing.spread->transfer.finished())
      spreads[own_].push_back(&*outgoing.spread);
  for (auto& [name, incoming] : incoming_)
    if (incoming.spread.buffer && !incoming.spread.transfer.finished())
      spreads[name.first].push_back(&incoming.spread);
  bool worked = false;
  for (bool more = !spreads.empty(); more;) {
    more = false;
    for (auto& [origin, objects] : spreads)
      more |= std::ranges::any_of(objects, [this](Spread* spread) { return push_block(*spread); });
    worked |= more;
  }
  return worked;
}

bool Transfers::push_block(Spread& spread) {
  const auto move = spread.transfer.next();
  if (!move) return false;
  const Rank to = rank_at(move->peer, spread.terms.origin);
  const std::size_t bytes = spread.transfer.size(move->block);
  Window& window = *windows_[to];
  if (!spread.attached.contains(to) || waits(to)) return false;
  if (window.bytes != 0 && window.bytes + bytes > home_.settings.window_bytes) return false;
  if (bytes != 0) {
    const auto region = spread.buffer->slab()->region;
    const fabric::Token token = home_.transit->hold(spread.buffer, windows_[to], bytes);
    if (!fabric_.push_to(peers_[to], region, spread.transfer.offset(move->block), bytes,
                         fabric::Lane::bulk, token)) {
      // Lost: a view without it is on its way.
      home_.transit->returned(token);
      return false;
    }
  }
  Word word = spread.terms;
  word.kind = Word::Kind::landed;
  word.block = move->block;
  word.region = raw(spread.buffer->slab()->region);
  word.stays = spread.standing.contains(to);
  say(to, fabric::Lane::bulk, word);
  spread.transfer.sent();
  return true;
}

/// What all hold may be published; of what all have consumed nothing is kept.
bool Transfers::settle() {
  if (home_.outbox == nullptr) return false;
  const Position before = passed_;
  const std::size_t others = members() - 1;
  bool all = true;
  for (const mirror::Outbox::Item& item : home_.outbox->items()) {
    Outgoing& outgoing = outgoing_[item.number];
    outgoing.passed |= outgoing.whole.size() == others;
    all &= outgoing.passed;
    if (all) passed_ = std::max(passed_, item.end);
  }
  // Without waiting for those who were to get blocks and are done all the same.
  const auto& left = home_.outbox->items();
  outgoing_.erase(outgoing_.begin(),
                  left.empty() ? outgoing_.end() : outgoing_.lower_bound(left.front().number));
  return passed_ != before;
}

/// Memory that the pools have given up.
void Transfers::let_go() {
  const auto drop = [&](mirror::Pool& pool) {
    if (!pool.has_retired()) return;
    for (const auto& slab : pool.take_retired()) {
      if (!slab->exposed) continue;
      const Lent* const of = standing_regions_.find(slab->region);
      tell_retired(own_, slab->region, of != nullptr ? of->offered : holders_[slab->region]);
      holders_.erase(slab->region);
      standing_regions_.end(slab->region);
      fabric_.conceal(slab->region);
    }
  };
  if (home_.outbox != nullptr) drop(home_.outbox->pool());
  drop(*home_.places);
}

void Transfers::tell_retired(std::uint32_t origin, fabric::RegionId region,
                             const RankSet& holders) {
  Word word;
  word.kind = Word::Kind::retired;
  word.origin = origin;
  word.region = raw(region);
  for (Rank rank = 0; rank < members(); ++rank)
    if (holders.contains(rank)) say(rank, fabric::Lane::urgent, word);
}

void Transfers::expose(const mirror::Buffer& buffer) {
  mirror::Slab& slab = *buffer.slab();
  if (std::exchange(slab.exposed, true)) return;
  const auto exposed = fabric_.expose(slab.region, slab.memory);
  SQUALL_ASSERT(exposed, "a region's name is used once");
}

}  // namespace squall::multicast::bulk
