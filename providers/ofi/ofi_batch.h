#pragma once
// What waits to be sent to one peer on one lane, and how it becomes wire messages. While the
// lane is busy, pushes gather here: a range that touches the last one extends it, a short range
// that is pushed again replaces its unsent self at the END of the queue (so that a counter never
// overtakes data pushed before it). What waits stays bounded by what the regions hold, and the
// busier the lane, the larger the messages. Pure; owned by the fabric; one thread.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/base/bytes.h"
#include "core/fabric/fabric.h"
#include "providers/ofi/ofi_wire.h"

namespace squall::ofi {

/// A token in the fabric's table (ofi_tokens.h); 0 is none.
using TokenIndex = std::uint32_t;

/// What one wire message may hold.
struct Limits {
  /// Header, entries, copied payloads. With `references` 0 a long message may exceed it, alone, up
  /// to max_wire_bytes.
  std::size_t block_bytes = max_block_bytes;
  std::size_t references = 3;  ///< 0: everything is copied into the block
  std::size_t referred_bytes = max_message_bytes;
};

/// How a range is written into a peer's memory instead of being sent.
struct WriteTo {
  WriteTarget target;          ///< of the region's first byte
  void* descriptor = nullptr;  ///< of the registered source, where the provider wants one
};

/// A payload that is sent from where it lies.
struct Reference {
  const std::byte* data = nullptr;
  std::size_t bytes = 0;
};

/// One wire message, or one write: made by Batch::build or build_write, owned by whoever sends it.
struct Wire {
  static constexpr std::size_t max_references = 7;
  std::byte* block = nullptr;  ///< Limits::block_bytes long
  std::size_t block_bytes = 0;
  std::array<Reference, max_references> references{};
  std::size_t reference_count = 0;
  bool writes = false;  ///< no block; the one reference goes to `to`, as it is
  WriteTo to;
  std::vector<TokenIndex> tokens;  ///< come back when it was sent

  std::size_t bytes() const {
    std::size_t sum = block_bytes;
    for (std::size_t i = 0; i < reference_count; ++i) sum += references[i].bytes;
    return sum;
  }
};

class Batch {
 public:
  Batch();

  /// `now` is the range in the region's memory; read here if it is short, else until its token.
  void push(RegionId region, std::uint64_t offset, Bytes now, TokenIndex token);
  /// The same range, long, to be written; its neighbours in the queue keep their order with it.
  void write(RegionId region, std::uint64_t offset, Bytes now, const WriteTo& to, TokenIndex token);
  void send(Bytes message, TokenIndex token);
  void control(EntryKind kind, RegionId region, std::uint64_t value, Bytes payload = {});

  bool empty() const { return head_ == none; }
  /// What `send` left here.
  std::size_t message_count() const { return message_count_; }
  std::size_t message_bytes() const { return message_bytes_; }
  std::size_t entry_count() const { return entry_count_; }

  /// Moves what fits from the front into `wire`. `header` is written with the counts filled in.
  /// False if there is nothing.
  bool build(const Limits& limits, WireHeader header, Wire& wire);
  /// What comes next is a write, and `build` would return nothing.
  bool write_is_next() const { return head_ != none && entries_[head_].where == Where::written; }
  /// Moves a write of at most `most_bytes` from the front into `wire`.
  void build_write(std::size_t most_bytes, Wire& wire);

  /// Drops the ranges of one region and gives their tokens back.
  std::vector<TokenIndex> drop(RegionId region);
  /// Drops everything and gives its tokens back.
  std::vector<TokenIndex> clear();

 private:
  using Index = std::uint32_t;
  static constexpr Index none = ~Index{0};
  static constexpr std::size_t held_bytes = 64;

  enum class Where : std::uint8_t {
    held,      ///< copied into the entry itself: counters
    arena,     ///< copied behind the others of its kind
    referred,  ///< still at its source
    written,   ///< still at its source; `held` is a WriteTo
  };
  struct Entry {
    RegionId region{};
    std::uint64_t offset = 0;
    std::uint32_t bytes = 0;
    TokenIndex token = 0;
    Index previous = none, next = none, chain = none;
    EntryKind kind = EntryKind::range;
    Where where = Where::held;
    bool indexed = false;
    const std::byte* source = nullptr;
    std::size_t at = 0;  ///< in the arena
    std::array<std::byte, held_bytes> held;
  };
  struct Taken {
    Index index;
    std::uint32_t bytes;
    bool copy;
  };

  Index allocate();
  void append(Index index);
  void unlink(Index index);
  void release(Index index);
  void keep(Entry& entry, Bytes bytes);
  const std::byte* payload(const Entry& entry) const;

  Index find(RegionId region, std::uint64_t offset, std::size_t bytes) const;
  void index_entry(Index index);
  void unindex(Index index);
  std::size_t bucket(RegionId region, std::uint64_t offset, std::size_t bytes) const;

  /// Makes `second` part of `first`, its neighbour in the queue, if they touch.
  bool join(Index first, Index second);
  void cut_front(std::size_t bytes);
  void tidy_arena();
  void select(const Limits& limits);

  std::vector<Entry> entries_;
  std::vector<Index> free_;
  std::vector<Index> buckets_;
  std::vector<std::byte> arena_;
  std::size_t arena_live_bytes_ = 0;
  std::vector<TokenIndex> loose_;  ///< of ranges that were replaced
  std::vector<Taken> taken_;       ///< scratch of build
  Index head_ = none, tail_ = none;
  std::size_t entry_count_ = 0;
  std::size_t message_count_ = 0;
  std::size_t message_bytes_ = 0;
};

}  // namespace squall::ofi
