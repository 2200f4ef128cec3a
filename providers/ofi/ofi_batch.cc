#include "providers/ofi/ofi_batch.h"

#include <algorithm>
#include <cstring>

#include "core/base/assert.h"
#include "core/base/ids.h"

namespace squall::ofi {
namespace {

// Below this a copy is cheaper than one more reference, of which a message has few.
constexpr std::size_t copy_bytes = 4096;
// Copies that touch are joined up to here; what lands in words stays in words.
constexpr std::size_t joined_bytes = word_store_bytes;
constexpr std::size_t first_buckets = 64;
constexpr std::size_t least_split_bytes = 512;

}  // namespace

Batch::Batch() : buckets_(first_buckets, none) {}

void Batch::push(RegionId region, std::uint64_t offset, Bytes now, TokenIndex token) {
  if (now.size() <= inline_bytes) {
    if (const Index old = find(region, offset, now.size()); old != none) {
      Entry& entry = entries_[old];
      std::byte* copy = entry.where == Where::held ? entry.held.data() : arena_.data() + entry.at;
      if (!now.empty()) std::memcpy(copy, now.data(), now.size());
      if (entry.token != 0) loose_.push_back(entry.token);
      entry.token = token;
      if (old == tail_) return;
      const Index before = entry.previous, after = entry.next;
      unlink(old);
      append(old);
      if (before != none && after != none) join(before, after);
      return;
    }
  } else if (tail_ != none && entries_[tail_].where == Where::referred &&
             entries_[tail_].kind == EntryKind::range && entries_[tail_].region == region) {
    Entry& last = entries_[tail_];
    const std::uint64_t last_end = last.offset + last.bytes, end = offset + now.size();
    const std::uint64_t low = std::min(last.offset, offset), high = std::max(last_end, end);
    if (offset <= last_end && end >= last.offset && high - low <= UINT32_MAX &&
        (last.token == 0 || token == 0)) {
      last.source = now.data() - (offset - low);
      last.offset = low;
      last.bytes = static_cast<std::uint32_t>(high - low);
      last.token |= token;
      return;
    }
  }
  SQUALL_ASSERT(now.size() <= UINT32_MAX, "the fabric splits longer pushes");
  const Index index = allocate();
  Entry& entry = entries_[index];
  entry.kind = EntryKind::range;
  entry.region = region;
  entry.offset = offset;
  entry.token = token;
  keep(entry, now);
  append(index);
  if (now.size() <= inline_bytes) index_entry(index);
  if (entry.previous != none) join(entry.previous, index);
}

void Batch::write(RegionId region, std::uint64_t offset, Bytes now, const WriteTo& to,
                  TokenIndex token) {
  SQUALL_ASSERT(now.size() > inline_bytes && now.size() <= UINT32_MAX,
                "writes are long, and the fabric splits longer ones");
  const Index index = allocate();
  Entry& entry = entries_[index];
  entry.kind = EntryKind::range;
  entry.region = region;
  entry.offset = offset;
  entry.token = token;
  entry.bytes = static_cast<std::uint32_t>(now.size());
  entry.where = Where::written;
  entry.source = now.data();
  static_assert(sizeof to <= held_bytes);
  std::memcpy(entry.held.data(), &to, sizeof to);
  append(index);
  if (entry.previous != none) join(entry.previous, index);
}

void Batch::send(Bytes message, TokenIndex token) {
  const Index index = allocate();
  Entry& entry = entries_[index];
  entry.kind = EntryKind::message;
  entry.token = token;
  keep(entry, message);
  append(index);
  ++message_count_;
  message_bytes_ += message.size();
}

void Batch::control(EntryKind kind, RegionId region, std::uint64_t value, Bytes payload) {
  SQUALL_ASSERT(payload.size() <= held_bytes, "a word about an import is short");
  const Index index = allocate();
  Entry& entry = entries_[index];
  entry.kind = kind;
  entry.region = region;
  entry.offset = value;
  keep(entry, payload);
  append(index);
}

void Batch::select(const Limits& limits) {
  taken_.clear();
  std::size_t used = sizeof(WireHeader), references = 0, referred = 0;
  for (Index index = head_; index != none; index = entries_[index].next) {
    const Entry& entry = entries_[index];
    if (entry.where == Where::written) return;
    const std::size_t room = limits.block_bytes - used;
    if (room < sizeof(WireEntry) || taken_.size() == UINT16_MAX) return;
    const std::size_t copy_room = (room - sizeof(WireEntry)) & ~std::size_t{7};
    const bool splits = entry.kind == EntryKind::range && entry.where == Where::referred;
    const bool copies = entry.where != Where::referred || limits.references == 0 ||
                        (entry.bytes <= copy_bytes && padded(entry.bytes) <= copy_room);
    std::size_t take = entry.bytes;
    if (copies) {
      if (padded(take) > copy_room) {
        if (entry.kind == EntryKind::message && taken_.empty()) {
          // Whoever copies everything has room for the largest message, alone.
          taken_.push_back({index, entry.bytes, true});
          return;
        }
        if (!splits || copy_room < least_split_bytes) return;
        take = copy_room;
      }
      used += padded(take);
    } else {
      if (references == limits.references) return;
      if (referred + take > limits.referred_bytes) {
        if (splits)
          take = limits.referred_bytes - referred;
        else if (referred != 0)
          return;
        if (take == 0) return;
      }
      ++references;
      referred += take;
    }
    used += sizeof(WireEntry);
    taken_.push_back({index, static_cast<std::uint32_t>(take), copies});
    if (take < entry.bytes) return;
  }
}

bool Batch::build(const Limits& limits, WireHeader header, Wire& wire) {
  wire.reference_count = 0;
  wire.writes = false;
  wire.tokens.clear();
  if (head_ == none || write_is_next()) return false;
  select(limits);
  SQUALL_ASSERT(!taken_.empty(), "every entry fits an empty message");

  std::byte* entry_at = wire.block + sizeof(WireHeader);
  std::byte* const copies = entry_at + taken_.size() * sizeof(WireEntry);
  std::byte* copy_at = copies;
  std::size_t referred = 0;
  for (const auto& [index, bytes, copy] : taken_) {
    Entry& entry = entries_[index];
    const WireEntry described{raw(entry.region), entry.offset,        bytes,
                              entry.kind,        std::uint8_t{!copy}, 0};
    std::memcpy(entry_at, &described, sizeof described);
    entry_at += sizeof described;
    const std::byte* from = payload(entry);
    if (copy) {
      if (bytes != 0) std::memcpy(copy_at, from, bytes);
      std::memset(copy_at + bytes, 0, padded(bytes) - bytes);
      copy_at += padded(bytes);
    } else {
      wire.references[wire.reference_count++] = {from, bytes};
      referred += bytes;
    }
    if (bytes < entry.bytes) {
      cut_front(bytes);
      break;
    }
    if (entry.token != 0) wire.tokens.push_back(entry.token);
    if (entry.kind == EntryKind::message) {
      --message_count_;
      message_bytes_ -= entry.bytes;
    }
    unlink(index);
    release(index);
  }
  header.entry_count = static_cast<std::uint16_t>(taken_.size());
  header.copied_bytes = static_cast<std::uint32_t>(copy_at - copies);
  header.referred_bytes = static_cast<std::uint32_t>(referred);
  std::memcpy(wire.block, &header, sizeof header);
  wire.block_bytes = static_cast<std::size_t>(copy_at - wire.block);
  // A replaced range was superseded by one that is in this message or behind it; its source was
  // copied long ago.
  wire.tokens.insert(wire.tokens.end(), loose_.begin(), loose_.end());
  loose_.clear();
  tidy_arena();
  return true;
}

/// The rest of the first range keeps its place.
void Batch::cut_front(std::size_t bytes) {
  Entry& entry = entries_[head_];
  entry.offset += bytes;
  entry.source += bytes;
  entry.bytes -= static_cast<std::uint32_t>(bytes);
}

void Batch::build_write(std::size_t most_bytes, Wire& wire) {
  SQUALL_ASSERT(write_is_next(), "only a write is written");
  Entry& entry = entries_[head_];
  const std::size_t bytes = std::min<std::size_t>(entry.bytes, most_bytes);
  wire.block_bytes = 0;
  wire.writes = true;
  std::memcpy(&wire.to, entry.held.data(), sizeof wire.to);
  wire.to.target.address += entry.offset;
  wire.references[0] = {entry.source, bytes};
  wire.reference_count = 1;
  wire.tokens.clear();
  if (bytes < entry.bytes) return cut_front(bytes);
  if (entry.token != 0) wire.tokens.push_back(entry.token);
  const Index index = head_;
  unlink(index);
  release(index);
}

std::vector<TokenIndex> Batch::drop(RegionId region) {
  std::vector<TokenIndex> tokens;
  for (Index index = head_; index != none;) {
    const Index next = entries_[index].next;
    if (entries_[index].kind == EntryKind::range && entries_[index].region == region) {
      if (entries_[index].token != 0) tokens.push_back(entries_[index].token);
      unlink(index);
      release(index);
    }
    index = next;
  }
  tidy_arena();
  return tokens;
}

std::vector<TokenIndex> Batch::clear() {
  std::vector<TokenIndex> tokens = std::move(loose_);
  loose_.clear();
  while (head_ != none) {
    const Index index = head_;
    if (entries_[index].token != 0) tokens.push_back(entries_[index].token);
    unlink(index);
    release(index);
  }
  message_count_ = message_bytes_ = 0;
  tidy_arena();
  return tokens;
}

bool Batch::join(Index first, Index second) {
  Entry& into = entries_[first];
  Entry& from = entries_[second];
  if (into.kind != EntryKind::range || from.kind != EntryKind::range ||
      into.region != from.region || into.where != from.where ||
      into.offset + into.bytes != from.offset || (into.token != 0 && from.token != 0))
    return false;
  const std::uint64_t bytes = std::uint64_t{into.bytes} + from.bytes;
  if (into.where == Where::held || bytes > UINT32_MAX) return false;
  if (into.where == Where::written &&
      std::memcmp(into.held.data(), from.held.data(), sizeof(WriteTo)) != 0)
    return false;
  if (into.where == Where::arena) {
    // Only what lies side by side; padding would be a hole.
    if (bytes > joined_bytes || into.at + into.bytes != from.at) return false;
    unindex(first);
    arena_live_bytes_ += from.bytes;
  }
  into.bytes = static_cast<std::uint32_t>(bytes);
  into.token |= from.token;
  unlink(second);
  release(second);
  return true;
}

// --- storage

Batch::Index Batch::allocate() {
  if (free_.empty()) {
    entries_.emplace_back();
    return static_cast<Index>(entries_.size() - 1);
  }
  const Index index = free_.back();
  free_.pop_back();
  return index;
}

void Batch::append(Index index) {
  Entry& entry = entries_[index];
  entry.previous = tail_;
  entry.next = none;
  (tail_ == none ? head_ : entries_[tail_].next) = index;
  tail_ = index;
  ++entry_count_;
}

void Batch::unlink(Index index) {
  const Entry& entry = entries_[index];
  (entry.previous == none ? head_ : entries_[entry.previous].next) = entry.next;
  (entry.next == none ? tail_ : entries_[entry.next].previous) = entry.previous;
  --entry_count_;
}

void Batch::release(Index index) {
  Entry& entry = entries_[index];
  unindex(index);
  if (entry.where == Where::arena) arena_live_bytes_ -= entry.bytes;
  entry.token = 0;
  free_.push_back(index);
}

void Batch::keep(Entry& entry, Bytes bytes) {
  entry.bytes = static_cast<std::uint32_t>(bytes.size());
  entry.source = nullptr;
  if (bytes.size() <= held_bytes) {
    entry.where = Where::held;
    if (!bytes.empty()) std::memcpy(entry.held.data(), bytes.data(), bytes.size());
  } else if (bytes.size() <= inline_bytes) {
    entry.where = Where::arena;
    entry.at = arena_.size();
    arena_.insert(arena_.end(), bytes.begin(), bytes.end());
    arena_live_bytes_ += bytes.size();
  } else {
    entry.where = Where::referred;
    entry.source = bytes.data();
  }
}

const std::byte* Batch::payload(const Entry& entry) const {
  switch (entry.where) {
    case Where::held:
      return entry.held.data();
    case Where::arena:
      return arena_.data() + entry.at;
    case Where::referred:
    case Where::written:
      break;
  }
  return entry.source;
}

void Batch::tidy_arena() {
  constexpr std::size_t slack_bytes = std::size_t{64} << 10;
  if (arena_live_bytes_ == 0) {
    arena_.clear();
  } else if (arena_.size() > 2 * arena_live_bytes_ + slack_bytes) {
    std::vector<std::byte> tidy;
    tidy.reserve(2 * arena_live_bytes_);
    for (Index index = head_; index != none; index = entries_[index].next) {
      Entry& entry = entries_[index];
      if (entry.where != Where::arena) continue;
      const std::byte* from = arena_.data() + entry.at;
      entry.at = tidy.size();
      tidy.insert(tidy.end(), from, from + entry.bytes);
    }
    arena_ = std::move(tidy);
  }
}

// --- short ranges by name: chains in buckets

std::size_t Batch::bucket(RegionId region, std::uint64_t offset, std::size_t bytes) const {
  std::uint64_t mixed =
      (raw(region) * 0x9e3779b97f4a7c15ull) ^ (offset * 0xff51afd7ed558ccdull) ^ bytes;
  mixed ^= mixed >> 29;
  return (mixed * 0x9e3779b97f4a7c15ull >> 32) & (buckets_.size() - 1);
}

Batch::Index Batch::find(RegionId region, std::uint64_t offset, std::size_t bytes) const {
  Index index = buckets_[bucket(region, offset, bytes)];
  while (index != none) {
    const Entry& entry = entries_[index];
    if (entry.region == region && entry.offset == offset && entry.bytes == bytes) return index;
    index = entry.chain;
  }
  return none;
}

void Batch::index_entry(Index index) {
  if (entry_count_ > buckets_.size()) {
    buckets_.assign(buckets_.size() * 4, none);
    for (Index other = head_; other != none; other = entries_[other].next) {
      Entry& entry = entries_[other];
      if (!entry.indexed) continue;
      Index& chain = buckets_[bucket(entry.region, entry.offset, entry.bytes)];
      entry.chain = chain;
      chain = other;
    }
  }
  Entry& entry = entries_[index];
  Index& chain = buckets_[bucket(entry.region, entry.offset, entry.bytes)];
  entry.chain = chain;
  entry.indexed = true;
  chain = index;
}

void Batch::unindex(Index index) {
  Entry& entry = entries_[index];
  if (!entry.indexed) return;
  Index* link = &buckets_[bucket(entry.region, entry.offset, entry.bytes)];
  while (*link != index) link = &entries_[*link].chain;
  *link = entry.chain;
  entry.indexed = false;
}

}  // namespace squall::ofi
