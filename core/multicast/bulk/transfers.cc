#include "core/multicast/bulk/transfers.h"

#include <algorithm>

#include "core/base/ring_math.h"

namespace squall::multicast::bulk {
namespace {

// Of one sender's objects, at one receiver: two, or as many small ones as these bytes are.
constexpr std::size_t least_under_way = 2;
constexpr std::size_t under_way_bytes = std::size_t{8} << 20;

std::optional<mirror::ObjectFrame> frame_of(Bytes bytes) {
  Reader reader(bytes);
  mirror::ObjectFrame frame;
  frame.number = reader.get<std::uint64_t>();
  frame.bytes = reader.get<std::uint64_t>();
  frame.region = reader.get<std::uint64_t>();
  if (!reader.done()) return std::nullopt;
  return frame;
}

constexpr std::size_t largest_page = 65536;

/// What its sender needs for an object at least: it counts in pages of its own.
std::size_t least_room(std::uint64_t bytes) {
  constexpr std::size_t least_page = 4096;
  return round_up(std::max<std::size_t>(1, static_cast<std::size_t>(bytes)), least_page);
}

/// What is imported of the offerer's region.
std::size_t place_bytes(const Word& terms) {
  return std::max<std::size_t>(
      1, static_cast<std::size_t>(terms.stays ? terms.region_bytes : terms.bytes));
}

}  // namespace

Transfers::Transfers(fabric::Fabric& fabric, std::vector<fabric::PeerId> peers, Options options)
    : fabric_(fabric),
      peers_(std::move(peers)),
      self_(options.self),
      channel_(options.channel),
      senders_(std::move(options.senders)),
      home_(options.home),
      own_(static_cast<std::uint32_t>(std::ranges::find(senders_, self_) - senders_.begin())),
      maps_(fabric.capabilities().maps),
      needed_(senders_.size()),
      standing_places_(home_.places->limit() / 2) {
  for (std::size_t rank = 0; rank < peers_.size(); ++rank)
    windows_.push_back(std::make_shared<Window>());
}

Transfers::~Transfers() = default;

Kind Transfers::schedule_for(std::uint64_t bytes) const {
  const Settings& settings = home_.settings;
  if (settings.schedule) return *settings.schedule;
  return choose(members(), bytes, settings.block_bytes, settings.cost);
}

// --- what others say

bool Transfers::on_message(Rank from, Bytes message) {
  const auto word = decode(message);
  if (!word || word->origin >= senders_.size()) return false;
  active_ = true;
  switch (word->kind) {
    case Word::Kind::offer:
      return on_offer(from, *word);
    case Word::Kind::landed:
      return on_landed(from, *word);
    case Word::Kind::whole:
      return on_whole(from, *word);
    case Word::Kind::retired:
      return on_retired(from, static_cast<fabric::RegionId>(word->region));
    case Word::Kind::kept:
      return on_kept(from, *word);
  }
  return false;
}

bool Transfers::on_offer(Rank from, const Word& word) {
  if (word.bytes > home_.settings.most_bytes || word.origin == own_) return false;
  if (word.stays && word.region_bytes > home_.places->limit()) return false;
  const auto region = static_cast<fabric::RegionId>(word.region);
  if (maps_) {
    if (from != origin_rank(word.origin)) return false;
    const auto bytes = static_cast<std::size_t>(word.region_bytes);
    if (!can_show(from, region, bytes)) return false;
    // Where the peer is lost meanwhile, a view without it is on its way.
    if (auto data = fabric_.import_object(peers_[from], region, bytes, nullptr))
      shown_[{from, region}] = {*data, bytes};
    return true;
  }
  const Name name{word.origin, word.number};
  auto found = incoming_.find(name);
  if (found == incoming_.end()) {
    if (!can_have(word.origin, least_room(word.bytes))) return false;
    if (word.stays && standing_places_.find(from, region) != nullptr) {
      // The offerer did not know yet that its replica is kept.
      Incoming* const again = begin_in_place(from, word);
      if (again == nullptr) return false;
      take_in(*again, from, region);
      tell_kept(from, word);
      return true;
    }
    found = incoming_.emplace(name, begin_incoming(word)).first;
    needed_[word.origin] += least_room(word.bytes);
  }
  Incoming& incoming = found->second;
  const auto& parents = incoming.spread.transfer.parents();
  const Word& terms = incoming.spread.terms;
  if (terms.bytes != word.bytes || terms.block_bytes != word.block_bytes ||
      terms.schedule != word.schedule || terms.stays != word.stays ||
      incoming.sources.contains(from) ||
      std::ranges::find(parents, place_of(from, word.origin)) == parents.end())
    return false;
  incoming.sources.emplace(from, region);
  if (incoming.spread.buffer) take_in(incoming, from, region);
  return true;
}

void Transfers::take_in(Incoming& incoming, Rank from, fabric::RegionId region) {
  // Lost: as above.
  static_cast<void>(fabric_.import_object(peers_[from], region, place_bytes(incoming.spread.terms),
                                          &incoming.spread.buffer->slab()->memory));
}

bool Transfers::on_landed(Rank from, const Word& word) {
  const auto found = incoming_.find({word.origin, word.number});
  Incoming* incoming = nullptr;
  if (found != incoming_.end())
    incoming = &found->second;
  else if (word.stays)
    incoming = begin_in_place(from, word);
  if (incoming == nullptr || !incoming->spread.buffer) return false;
  return incoming->spread.transfer.received(place_of(from, word.origin), word.block);
}

Transfers::Incoming Transfers::begin_incoming(const Word& terms) const {
  return {Spread(Transfer(terms.schedule, members(), place_of(self_, terms.origin), terms.bytes,
                          terms.block_bytes),
                 terms)};
}

/// An object that comes where one before it was. nullptr: that cannot be.
Transfers::Incoming* Transfers::begin_in_place(Rank from, const Word& word) {
  const auto region = static_cast<fabric::RegionId>(word.region);
  StandingPlaces::Place* const place = standing_places_.find(from, region);
  if (place == nullptr || word.origin != place->origin || word.region_bytes > place->buffer->size())
    return nullptr;
  // What was there is delivered, and passed on: all have consumed it.
  drop_done();
  Incoming incoming = begin_incoming(word);
  if (incoming_.contains({word.origin, place->lent.newest}) ||
      incoming.spread.transfer.parents() != std::vector{place_of(from, word.origin)} ||
      !can_have(word.origin, least_room(word.bytes)))
    return nullptr;
  place->lent.newest = word.number;
  incoming.sources.emplace(from, region);
  incoming.kept = true;
  Spread& spread = incoming.spread;
  spread.buffer = place->buffer;
  spread.lasting = true;
  spread.attached = spread.standing = place->lent.holders;
  needed_[word.origin] += least_room(word.bytes);
  return &incoming_.emplace(Name{word.origin, word.number}, std::move(incoming)).first->second;
}

bool Transfers::on_whole(Rank from, const Word& word) {
  if (word.origin != own_) return false;
  const auto found = outgoing_.find(word.number);
  if (found == outgoing_.end() || found->second.whole.contains(from)) return false;
  found->second.whole.insert(from);
  return true;
}

bool Transfers::on_retired(Rank from, fabric::RegionId region) {
  const StandingPlaces::Place* const place = standing_places_.find(from, region);
  if (place == nullptr && shown_.erase({from, region}) == 0) return true;
  fabric_.release(peers_[from], region);
  if (place == nullptr) return true;
  tell_retired(place->origin, place->buffer->slab()->region, place->lent.offered);
  standing_places_.end(from, region);
  return true;
}

/// Of an object before this one it says nothing: since then the region may have ended, and begun
/// anew.
bool Transfers::on_kept(Rank from, const Word& word) {
  Lent* const of = lent(static_cast<fabric::RegionId>(word.region));
  if (of != nullptr && of->newest == word.number && of->offered.contains(from))
    of->holders.insert(from);
  return true;
}

Lent* Transfers::lent(fabric::RegionId own) {
  Lent* const sent = standing_regions_.find(own);
  return sent != nullptr ? sent : standing_places_.find(own);
}

bool Transfers::attached(fabric::PeerId id, fabric::RegionId region) {
  const auto peer = static_cast<Rank>(std::ranges::find(peers_, id) - peers_.begin());
  if (peer == members()) return false;
  const auto is_it = [&](const Spread& spread) {
    return spread.buffer && spread.buffer->slab()->region == region;
  };
  if (const auto holders = holders_.find(region); holders != holders_.end()) {
    holders->second.insert(peer);
    return active_ = true;
  }
  for (auto& [number, outgoing] : outgoing_)
    if (outgoing.spread && is_it(*outgoing.spread)) {
      outgoing.spread->attached.insert(peer);
      return active_ = true;
    }
  for (auto& [name, incoming] : incoming_)
    if (is_it(incoming.spread)) {
      incoming.spread.attached.insert(peer);
      return active_ = true;
    }
  return false;
}

// --- a turn

bool Transfers::turn(Position consumed) {
  bool worked = say_rest();
  drop_done();
  if (home_.outbox != nullptr) {
    if (news()) home_.outbox->collect();
    // First: what a view before has delivered is offered to nobody.
    home_.outbox->consumed(consumed);
    worked |= begin_sending();
  }
  worked |= find_places();
  for (auto& [name, incoming] : incoming_)
    if (incoming.spread.buffer) worked |= offer(incoming.spread);
  worked |= push_blocks();
  for (auto& [name, incoming] : incoming_) worked |= finish(incoming);
  worked |= settle();
  let_go();
  active_ = !outgoing_.empty() || !incoming_.empty() || !waiting_.empty();
  return worked;
}

/// For what was offered and has none: in the order of each sender's objects, and no more of one
/// sender than keep the links busy. Whoever is delivered soon gives its place to the next, which is
/// better than memory that nobody has touched yet. The first of a sender gets one whatever the
/// limit says, so that it is delivered however much the others have sent.
bool Transfers::find_places() {
  bool worked = false;
  std::uint32_t origin = own_;
  std::size_t before = 0;                          // of that sender, not delivered
  std::size_t under_way = 0, bytes_under_way = 0;  // of these, not whole
  bool full = false;
  for (auto& [name, incoming] : incoming_) {
    if (name.first != origin) {
      before = under_way = bytes_under_way = 0;
      full = false;
    }
    origin = name.first;
    if (incoming.delivered) continue;
    const bool is_first = before++ == 0;
    const auto bytes = static_cast<std::size_t>(incoming.spread.terms.bytes);
    full |= under_way >= least_under_way && bytes_under_way + bytes > under_way_bytes;
    if (!incoming.spread.buffer && !full) {
      const std::size_t needed = place_bytes(incoming.spread.terms);
      auto place = home_.places->take(needed);
      if (!place && is_first && place.error().code == Code::would_block)
        place = home_.places->take_anyway(needed);
      if (place) {
        incoming.spread.buffer = std::make_shared<const mirror::Buffer>(std::move(*place));
        for (const auto& [rank, region] : incoming.sources) take_in(incoming, rank, region);
        keep_place(incoming);
        worked = true;
      } else {
        // There is no room, or no memory: asked for again with the next turn.
        full = true;
      }
    }
    if (!incoming.spread.transfer.whole()) {
      ++under_way;
      bytes_under_way += bytes;
    }
  }
  return worked;
}

/// For what comes next from the same memory, if that may be.
void Transfers::keep_place(Incoming& incoming) {
  const Word& terms = incoming.spread.terms;
  if (!terms.stays) return;
  const auto& [from, region] = *incoming.sources.begin();
  incoming.kept = incoming.spread.lasting = standing_places_.keep(
      from, region, {incoming.spread.buffer, terms.origin, {terms.number, {}, {}}});
  if (incoming.kept) tell_kept(from, terms);
}

/// A sender keeps each object until all have consumed it, in memory that has the same limit.
bool Transfers::can_have(std::uint32_t origin, std::size_t bytes) {
  const std::size_t most = home_.places->limit() + largest_page;
  if (needed_[origin] + bytes > most) drop_done();
  return needed_[origin] + bytes <= most;
}

/// What a sender shows has the limit of what it sends; and what it has given up may still be shown
/// beside that which takes its place, as it says so last.
bool Transfers::can_show(Rank from, fabric::RegionId region, std::size_t bytes) const {
  const std::size_t most = 2 * (home_.places->limit() + largest_page);
  if (bytes > most) return false;
  std::size_t shown = least_room(bytes);
  for (auto at = shown_.lower_bound({from, fabric::RegionId{}});
       at != shown_.end() && at->first.first == from; ++at)
    if (at->first.second != region) shown += least_room(at->second.bytes);
  return shown <= most;
}

/// What was delivered and passed on.
void Transfers::drop_done() {
  std::erase_if(incoming_, [this](const auto& named) {
    const auto& [name, incoming] = named;
    if (incoming.done()) needed_[name.first] -= least_room(incoming.spread.terms.bytes);
    return incoming.done();
  });
}

/// Tells the sender of what has become whole.
bool Transfers::finish(Incoming& incoming) {
  if (incoming.told || !incoming.spread.transfer.whole()) return false;
  incoming.told = true;
  if (!incoming.kept)
    for (const auto& [rank, region] : incoming.sources) fabric_.release(peers_[rank], region);
  Word word = incoming.spread.terms;
  word.kind = Word::Kind::whole;
  say(origin_rank(word.origin), fabric::Lane::urgent, word);
  return true;
}

// --- words

void Transfers::tell_kept(Rank to, const Word& terms) {
  Word word = terms;
  word.kind = Word::Kind::kept;
  say(to, fabric::Lane::urgent, word);
}

void Transfers::say(Rank to, fabric::Lane lane, const Word& word) {
  const WireWord wire = encode(channel_, word);
  if (!waits(to)) {
    auto sent = fabric_.send(peers_[to], lane, wire);
    if (sent || sent.error().code != Code::would_block) return;
  }
  waiting_.push_back({to, lane, wire});
}

bool Transfers::waits(Rank to) const {
  return !waiting_.empty() && std::ranges::find(waiting_, to, &Waiting::to) != waiting_.end();
}

bool Transfers::say_rest() {
  const std::size_t before = waiting_.size();
  RankSet full;
  std::erase_if(waiting_, [&](const Waiting& word) {
    if (full.contains(word.to)) return false;
    auto sent = fabric_.send(peers_[word.to], word.lane, word.message);
    if (sent || sent.error().code != Code::would_block) return true;
    full.insert(word.to);
    return false;
  });
  return waiting_.size() != before;
}

// --- deliveries

std::optional<Bytes> Transfers::find(std::uint32_t origin, Bytes bytes) const {
  const auto frame = frame_of(bytes);
  if (!frame) return std::nullopt;
  const auto size = static_cast<std::size_t>(frame->bytes);
  if (origin == own_) {
    for (const mirror::Outbox::Item& item : home_.outbox->items())
      if (item.number == frame->number) return Bytes(item.buffer->bytes());
    return std::nullopt;
  }
  if (maps_) {
    const auto shown =
        shown_.find({origin_rank(origin), static_cast<fabric::RegionId>(frame->region)});
    if (shown == shown_.end() || size > shown->second.bytes) return std::nullopt;
    return Bytes{shown->second.data, size};
  }
  const auto found = incoming_.find({origin, frame->number});
  if (found == incoming_.end() || !found->second.spread.transfer.whole() ||
      found->second.spread.terms.bytes != frame->bytes)
    return std::nullopt;
  return Bytes(found->second.spread.buffer->bytes()).first(size);
}

void Transfers::delivered(std::uint32_t origin, Bytes bytes) {
  const auto frame = frame_of(bytes);
  const auto found = incoming_.find({origin, frame->number});
  if (found == incoming_.end()) return;
  active_ = true;
  found->second.delivered = true;
}

}  // namespace squall::multicast::bulk
