#include "core/multicast/channel.h"

#include <algorithm>
#include <array>

#include "core/base/assert.h"
#include "core/mirror/frame.h"

namespace squall::multicast {
namespace {

// A region's name: view, channel, and which of the channel's two kinds of memory.
fabric::RegionId region_name(ViewId view, std::uint16_t channel, std::uint8_t kind) {
  return static_cast<fabric::RegionId>(raw(view) << 24 | std::uint64_t{channel} << 8 | kind);
}
constexpr std::uint8_t row_kind = 1;
constexpr std::uint8_t ring_kind = 2;

// `consumed` is told aloud when an eighth of a ring has come back, and otherwise travels with
// other counters, or after this long: a row of its own costs a system call on some fabrics.
constexpr std::uint64_t loud_fraction = 8;
constexpr Duration quiet_delay = std::chrono::microseconds(100);

// Of its position in column start_, a row says nothing yet (0), or that its member does not know
// it, or the position itself above that.
constexpr std::uint64_t not_known = 1, known_from = 2;

// How many runs an order hands out at once: enough to amortise the virtual call.
constexpr std::size_t runs_at_once = 64;

}  // namespace

Channel::Channel(fabric::Fabric& fabric, const ChannelOptions& options)
    : writer_(options.writer),
      fabric_(fabric),
      shape_(options.shape),
      own_(shape_.own_index()),
      row_region_(region_name(options.view, options.index, row_kind)),
      ring_region_(region_name(options.view, options.index, ring_kind)),
      ring_bytes_(options.ring_bytes),
      received_(shape_.sender_count()),
      message_ends_(shape_.sender_count()),
      deliverable_(shape_.sender_count()),
      scratch_(shape_.sender_count()),
      heads_(shape_.sender_count(), mirror::no_round),
      runs_(runs_at_once),
      codecs_(options.codecs),
      most_message_bytes_(mirror::max_message_bytes(ring_bytes_) - codecs_.overhead()) {}

Channel::~Channel() {
  if (writer_) fabric_.conceal(ring_region_);
}

Result<std::unique_ptr<Channel>> Channel::create(fabric::Fabric& fabric,
                                                 const std::vector<fabric::PeerId>& peers,
                                                 const ChannelOptions& options,
                                                 const StageFactory& factory) {
  std::unique_ptr<Channel> channel(new Channel(fabric, options));
  const Shape& shape = channel->shape_;
  SQUALL_ASSERT((channel->own_ < shape.sender_count()) == (options.writer != nullptr),
                "a writer for senders, and for them only");
  using Place = mirror::TableLayout::Place;
  mirror::TableLayout layout;
  // What peers poll comes first and together: one cache line for up to five senders.
  channel->published_ = layout.add(1, Place::own_line);
  channel->next_round_ = layout.add(1, Place::packed);
  channel->messages_ = layout.add(1, Place::packed);
  channel->stages_ = factory(shape, layout);
  SQUALL_ASSERT(channel->stages_.order, "every stack has an order");
  channel->consumed_ = layout.add(shape.sender_count(), Place::own_line);
  channel->watched_ = {channel->published_.first, channel->consumed_.first};
  channel->start_ = layout.add(3, Place::packed);

  // Rings before rows, here and at every peer: whoever has a replica of a row has one of the ring
  // that it counts.
  if (channel->writer_ != nullptr)
    if (auto exposed = fabric.expose(channel->ring_region_, channel->writer_->memory()); !exposed)
      return tl::unexpected(exposed.error());
  channel->sources_.resize(shape.sender_count());
  for (SenderIndex sender = 0; sender < shape.sender_count(); ++sender) {
    Source& source = channel->sources_[sender];
    source.rank = shape.senders[sender];
    source.called = options.ranks.empty() ? source.rank : options.ranks[source.rank];
    if (sender < options.past.next_numbers.size())
      source.next_number = source.fresh = options.past.next_numbers[sender];
    if (sender == channel->own_) continue;
    auto imported = fabric.import(peers[source.rank], channel->ring_region_, options.ring_bytes);
    if (!imported) return tl::unexpected(imported.error());
    source.ring = *imported;
  }
  auto table = mirror::Table::create(fabric, channel->row_region_, layout, shape.self, peers);
  if (!table) return tl::unexpected(table.error());
  channel->table_ = std::move(*table);
  if (channel->writer_ != nullptr) channel->begin_own(channel->sources_[channel->own_]);
  channel->position_known_ = options.past.position.has_value();
  channel->position_ = options.past.position.value_or(0);
  channel->table_->raise(channel->start_, position_start,
                         channel->position_known_ ? channel->position_ + known_from : not_known);
  channel->table_->settle();
  channel->needed_attachments_ = std::size_t{shape.members - 1} * (channel->writer_ ? 2 : 1);
  if (options.bulk.places != nullptr)
    channel->bulk_.emplace(
        fabric, peers,
        bulk::Transfers::Options{options.index, shape.self, shape.senders, options.bulk});
  return channel;
}

void Channel::begin_own(Source& source) {
  writer_start_ = writer_->published();
  // What the view before has left over does not wait again.
  leftover_ = writer_->pending();
  source.ring = writer_->memory().data();
  source.next_number = writer_->next_number();
  source.reader.emplace(source.ring, ring_bytes_, &writer_->log(), writer_start_);
  source.consumed = source.told = writer_start_;
  table_->raise(published_, 0, writer_start_);
  table_->raise(start_, number_start, source.next_number + 1);
  table_->raise(start_, ring_start, writer_start_ + 1);
}

/// False while the sender has not told where its ring begins in this view.
bool Channel::begin(Source& source) {
  const std::uint64_t start = table_->get(source.rank, start_, ring_start);
  const std::uint64_t number = table_->get(source.rank, start_, number_start);
  if (start == 0 || number == 0) return false;
  if ((start - 1) % mirror::frame_alignment != 0) {
    culprit_ = source.rank;
    return false;
  }
  source.next_number = number - 1;
  source.consumed = source.told = start - 1;
  source.reader.emplace(source.ring, ring_bytes_, nullptr, start - 1);
  return true;
}

/// A joiner delivers nothing before somebody has told it where the order stands. Nor does it
/// publish before it can tell so itself: else a view could end with a message that others have
/// delivered, and that somebody who came with this view holds and cannot place.
bool Channel::find_position() {
  Rank ignorant = 0;
  for (Rank rank = 0; rank < shape_.members && !position_known_; ++rank) {
    const std::uint64_t told = table_->get(rank, start_, position_start);
    ignorant += told == not_known;
    if (told < known_from) continue;
    position_ = told - known_from;
    position_known_ = true;
    table_->raise(start_, position_start, told);
  }
  adrift_ = ignorant == shape_.members;
  return position_known_;
}

bool Channel::attached(fabric::PeerId peer, fabric::RegionId region) {
  if (region == row_region_) {
    table_->push_to(peer);
  } else if (writer_ && region == ring_region_) {
    // What anyone may still have to deliver; the counters follow, so that data comes first.
    const RingMath math(ring_bytes_);
    for (Position at = least_consumed(); at != writer_->published();) {
      const std::uint64_t piece = std::min(math.until_end(at), writer_->published() - at);
      static_cast<void>(
          fabric_.push_to(peer, ring_region_, math.offset(at), piece, fabric::Lane::urgent));
      at += piece;
    }
    table_->push_to(peer);
  } else {
    if (!bulk_ || frozen_ || !bulk_->attached(peer, region)) return false;
    stirred_ = true;
    return true;
  }
  attached_.emplace(peer, region);
  stirred_ = true;
  return true;
}

Channel::Turned Channel::exchange(Time now, Hints hints) {
  Turned turned;
  if (frozen_) return turned;
  // Before anything is read: what comes meanwhile is news.
  shown_ = table_->shown(watched_);
  // Not before all have replicas: who has one has left the view before, so its ring is free.
  const bool publishes = ready() && position_known_;
  const bool passed = publishes && bulk_ && turn_bulk();
  const bool published = publishes && !gathers(now, turned.deadline) &&
                         !(hints.crowded && !passed && collects()) && publish();
  const bool received = receive();
  if (!position_known_) find_position();
  step(now, turned.deadline);
  const bool pushed = table_->push();
  turned.worked = passed || published || received || pushed;
  turned.deliverable = deliverable_moved_;
  if (pushed) {
    quiet_deadline_ = never;
  } else if (table_->has_quiet()) {
    if (quiet_deadline_ == never) quiet_deadline_ = now + quiet_delay;
    if (now >= quiet_deadline_) {
      table_->push(true);
      quiet_deadline_ = never;
      turned.worked = true;
    }
  }
  turned.deadline = std::min(turned.deadline, quiet_deadline_);
  due_at_ = turned.deadline;
  // Where senders begin is told in no column that is watched.
  stirred_ = turned.worked || deliverable_moved_ || !ready() || !position_known_ ||
             std::ranges::any_of(sources_, [](const Source& source) { return !source.reader; });
  // Last, since what it stores holds up what is stored behind it.
  if (published) writer_->prepare();
  // This first: whatever is claimed from here on unsettles it.
  settled_at_ = writer_ ? writer_->claimed() : 0;
  settled_ = !stirred_ && !(writer_ && writer_->pending()) && !short_of_space() &&
             !(bulk_ && bulk_->due());
  return turned;
}

void Channel::publish_now() {
  if (frozen_ || !ready() || !position_known_ || (stages_.gather && writer_ && !full())) return;
  stirred_ = true;
  if (publish()) table_->push();
}

/// A sender that waits for more to come before it publishes.
bool Channel::gathers(Time now, Time& deadline) {
  if (!stages_.gather || !writer_ || hurries_) [[likely]]
    return false;
  if (!writer_->pending()) {
    waiting_since_ = never;
    return false;
  }
  if (waiting_since_ == never) waiting_since_ = now;
  const Time due = stages_.gather->due(writer_->waiting(), waiting_since_);
  if (leftover_ || due <= now) {
    leftover_ = false;
    waiting_since_ = never;
    return false;
  }
  deadline = std::min(deadline, due);
  return true;
}

/// Every piece that is published costs each member a turn and calls, and where they share cores a
/// switch to it. So there a piece is large, or this sender's only one on its way (Nagle's rule, RFC
/// 896): a message by itself waits for nothing, and none longer than until its sender's last one is
/// deliverable. A large object's frame stands for a large piece: none waits, nor anything beside
/// one.
bool Channel::collects() {
  if (!writer_ || stages_.gather || hurries_ || deliverable_[own_] >= message_ends_[own_] ||
      (bulk_ && bulk_->due()))
    return false;
  reclaim();
  return writer_->waiting() < ring_bytes_ / 2;
}

bool Channel::publish() {
  if (!writer_) return false;
  reclaim();
  const Position before = writer_->published();
  const std::uint64_t count = writer_->publish(my_next_round_);
  const Position after = writer_->published();
  if (after == before) return false;
  const RingMath math(ring_bytes_);
  for (Position at = before; at != after;) {
    const std::uint64_t piece = std::min(math.until_end(at), after - at);
    const auto pushed = fabric_.push(ring_region_, math.offset(at), piece, fabric::Lane::urgent);
    SQUALL_ASSERT(pushed, "published bytes lie within the ring");
    at += piece;
  }
  // The round last: whoever sees it finds the frames below it, and where they end.
  table_->raise(published_, 0, after);
  if (count != 0) {
    table_->raise(messages_, 0, my_next_round_);
    table_->raise(next_round_, 0, my_next_round_);
  }
  return true;
}

void Channel::reclaim() {
  if (short_of_space()) writer_->release(least_consumed());
}

bool Channel::turn_bulk() {
  if (!bulk_->due()) return false;
  const bool worked = bulk_->turn(writer_ ? least_consumed() : 0);
  if (writer_) writer_->pass_objects(bulk_->passed());
  return worked;
}

void Channel::on_message(Rank from, Bytes message) {
  if (frozen_) return;
  stirred_ = true;
  if (!bulk_ || !bulk_->on_message(from, message)) culprit_ = from;
}

Position Channel::least_consumed() const {
  Position least = UINT64_MAX;
  for (Rank rank = 0; rank < shape_.members; ++rank)
    least = std::min(least, table_->get(rank, consumed_, own_));
  // Who has told nothing yet stands where the view began.
  return std::max(least, writer_start_);
}

bool Channel::receive() {
  bool moved = false;
  for (SenderIndex sender = 0; sender < sources_.size(); ++sender) {
    Source& source = sources_[sender];
    if (!source.reader && !begin(source)) continue;
    // The round first: what is loaded after it is at least as new.
    const Round next = table_->get(source.rank, next_round_);
    if (next == received_[sender]) continue;
    message_ends_[sender] = table_->get(source.rank, messages_);
    const Position published = table_->get(source.rank, published_);
    if (next < received_[sender] || !source.reader->extend(published)) {
      culprit_ = source.rank;
      continue;
    }
    received_[sender] = next;
    moved = true;
  }
  return moved;
}

void Channel::freeze(Time now) {
  if (frozen_) return;
  receive();
  // Once more: whatever everyone is known to hold is held by all who survive.
  Time deadline = never;
  step(now, deadline);
  frozen_ = stirred_ = true;
}

bool Channel::close(ConstFrontier trim) {
  SQUALL_ASSERT(frozen_, "what is closed takes nothing more");
  if (trim.size() != received_.size()) return false;
  for (SenderIndex sender = 0; sender < trim.size(); ++sender)
    if (trim[sender] > received_[sender]) return false;
  // Who came with this view learns where its order stands from whoever it has anything from, and
  // delivers what the others do, be it that nobody has listened here so far.
  static_cast<void>(find_position());
  // What has been delivered is beyond recall; with a stable stack it lies below the trim.
  deliverable_moved_ |= !std::ranges::equal(deliverable_, trim);
  deliverable_.assign(trim.begin(), trim.end());
  return true;
}

Past Channel::past() const {
  Past past;
  for (const Source& source : sources_)
    past.next_numbers.push_back(std::max(source.next_number, source.fresh));
  if (position_known_) past.position = position_;
  return past;
}

void Channel::step(Time now, Time& deadline) {
  if (sources_.empty()) return;  // all who send here are gone
  StageInput input{now, received_, received_, message_ends_, deliverable_};
  StageOutput output{scratch_};
  stages_.order->step(input, *table_, output);
  if (writer_ && output.promise > my_next_round_) {
    my_next_round_ = output.promise;
    received_[own_] = my_next_round_;
    table_->raise(next_round_, 0, my_next_round_);
    writer_->plan(my_next_round_);
  }
  deadline = std::min(deadline, output.deadline);
  for (const auto& stage : stages_.above) {
    // In place: a stage only ever cuts what is below it.
    input.below = scratch_;
    output = StageOutput{scratch_};
    stage->step(input, *table_, output);
    deadline = std::min(deadline, output.deadline);
  }
  if (!stages_.above.empty()) stages_.order->close(scratch_);
  bool moved = false;
  for (std::size_t sender = 0; sender < scratch_.size(); ++sender)
    moved |= scratch_[sender] != deliverable_[sender];
  if (moved) {
    deliverable_.swap(scratch_);
    deliverable_moved_ = true;
  }
}

std::size_t Channel::deliver(const DeliverFunction& upcall, std::size_t limit) {
  if (!deliverable_moved_ || (!position_known_ && !find_position())) return 0;
  stirred_ = true;
  const std::uint64_t start = position_;
  const std::uint64_t end = start + std::min<std::uint64_t>(limit, UINT64_MAX - start);
  for (SenderIndex sender = 0; sender < sources_.size(); ++sender) {
    if (!sources_[sender].reader) continue;
    mirror::RingReader& reader = *sources_[sender].reader;
    if (reader.head_round() == mirror::no_round && !reader.advance())
      culprit_ = sources_[sender].rank;
    heads_[sender] = reader.head_round();
  }
  // Once for all of them: bytes that travel as they are cost no message a question.
  codecs_.empty() ? deliver_runs<false>(upcall, end) : deliver_runs<true>(upcall, end);
  for (SenderIndex sender = 0; sender < sources_.size(); ++sender) {
    Source& source = sources_[sender];
    if (!source.reader) continue;
    const Position consumed = source.reader->consumed();
    if (consumed == source.consumed) continue;
    source.consumed = consumed;
    if (consumed - source.told >= ring_bytes_ / loud_fraction) {
      source.told = consumed;
      table_->raise(consumed_, sender, consumed);
    } else {
      table_->raise_quietly(consumed_, sender, consumed);
    }
  }
  return position_ - start;
}

template <bool decodes>
void Channel::deliver_runs(const DeliverFunction& upcall, std::uint64_t end) {
  while (!culprit_ && position_ != end) {
    const std::size_t count = stages_.order->walk(heads_, deliverable_, runs_);
    if (count == 0) {
      deliverable_moved_ = false;
      break;
    }
    // A run that is cut short ends them all: what follows it in the order must wait.
    std::size_t run = 0;
    while (run < count && deliver_run<decodes>(runs_[run], upcall, end)) ++run;
  }
}

template <bool decodes>
bool Channel::deliver_run(const Run& run, const DeliverFunction& upcall, std::uint64_t end) {
  Source& source = sources_[run.sender];
  mirror::RingReader& reader = *source.reader;
  bool whole = true;
  while (reader.head_round() < run.end) {
    if (position_ == end) {
      whole = false;
      break;
    }
    if (const MessageNumber number = source.next_number++; number >= source.fresh) [[likely]] {
      if (reader.head_is_object()) [[unlikely]] {
        const auto object = bulk_ ? bulk_->find(run.sender, reader.head()) : std::nullopt;
        if (!object) {
          culprit_ = source.rank;
          whole = false;
          break;
        }
        upcall(Delivery{source.called, number, position_++, *object});
      } else if constexpr (decodes) {
        const auto decoded = codecs_.decode(reader.head(), most_message_bytes_, decoded_);
        if (!decoded) {
          culprit_ = source.rank;
          whole = false;
          break;
        }
        upcall(Delivery{source.called, number, position_++, *decoded});
      } else {
        upcall(Delivery{source.called, number, position_++, reader.head()});
      }
    }
    if (reader.head_is_object() && bulk_) [[unlikely]]
      bulk_->delivered(run.sender, reader.head());
    if (!reader.advance()) {
      culprit_ = source.rank;
      whole = false;
      break;
    }
  }
  heads_[run.sender] = reader.head_round();
  return whole;
}

bool Channel::drained() {
  if (!writer_) return true;
  hurry();
  return !writer_->pending() && least_consumed() == writer_->published();
}

}  // namespace squall::multicast
