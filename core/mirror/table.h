#pragma once
// A table: one row of 64-bit counters per member, each row written by its owner only and read by
// everyone. Counters never decrease within a view, so a reader may see any mix of old and new
// values and is only ever too cautious. Section 3 of the design.
//
// Owned by one channel; used where the engine turns, by one thread.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/fabric/fabric.h"

namespace squall::mirror {

inline constexpr std::size_t cache_line_bytes = 64;

/// Consecutive counters of one meaning in every row.
struct Column {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
};

/// Collects what a table must hold before it exists: stages declare, the table is built.
class TableLayout {
 public:
  enum class Place : std::uint8_t {
    packed,    ///< right behind the column before
    own_line,  ///< on a cache line that earlier columns do not share
  };
  Column add(std::uint32_t count, Place place);

  std::size_t row_bytes() const;
  /// Declared so far, with the space that alignment takes.
  std::uint32_t counters() const { return next_; }

 private:
  std::uint32_t next_ = 0;
};

class Table {
 public:
  /// `peers[rank]` is that member's connection; the entry at `self` is ignored. Exposes this
  /// member's row as `region` and imports everyone else's, which bears the same name.
  static Result<std::unique_ptr<Table>> create(fabric::Fabric& fabric, fabric::RegionId region,
                                               const TableLayout& layout, Rank self,
                                               const std::vector<fabric::PeerId>& peers);
  ~Table();

  /// A member's counter, with acquire: what its owner wrote before raising it is visible.
  std::uint64_t get(Rank rank, Column column, std::uint32_t index = 0) const {
    return counter(rows_[rank], column, index).load(std::memory_order_acquire);
  }

  /// All that peers show in these counters. Since none of them ever decreases, it differs whenever
  /// anything was raised in between: one number to watch instead of many.
  std::uint64_t shown(Column columns) const {
    std::uint64_t sum = 0;
    for (const std::byte* row : peers_rows_)
      for (std::uint32_t index = 0; index < columns.count; ++index)
        sum += counter(row, columns, index).load(std::memory_order_relaxed);
    return sum;
  }

  /// Raises a counter of mine; it travels with the next push. Lowering it is a broken invariant.
  void raise(Column column, std::uint32_t index, std::uint64_t value);
  /// The same, for counters that nobody waits for: raising one does not make `push` send a row.
  void raise_quietly(Column column, std::uint32_t index, std::uint64_t value);

  /// Pushes what was raised since the last push. Without `quiet_too`, only if something was raised
  /// that is not quiet. True if it pushed.
  bool push(bool quiet_too = false);
  /// Nobody has a replica yet: what was raised so far comes to everyone with `push_to`.
  void settle();
  /// Pushes my whole row to a peer that has just got a replica of it.
  void push_to(fabric::PeerId peer);

  bool has_quiet() const { return quiet_; }
  fabric::RegionId region() const { return region_; }
  Rank members() const { return static_cast<Rank>(rows_.size()); }

 private:
  Table(fabric::Fabric& fabric, fabric::RegionId region, fabric::Memory memory,
        std::size_t row_bytes)
      : fabric_(fabric), region_(region), memory_(std::move(memory)), row_bytes_(row_bytes) {}

  static const std::atomic<std::uint64_t>& counter(const std::byte* row, Column column,
                                                   std::uint32_t index) {
    return reinterpret_cast<const std::atomic<std::uint64_t>*>(row)[column.first + index];
  }
  void store(Column column, std::uint32_t index, std::uint64_t value);

  std::vector<const std::byte*> peers_rows_;  // first: `shown` reads nothing else
  fabric::Fabric& fabric_;
  fabric::RegionId region_;
  fabric::Memory memory_;
  std::size_t row_bytes_;
  std::vector<const std::byte*> rows_;  // by rank; mine points into memory_
  // What was raised since the last push, in counters; empty when first >= last.
  std::uint32_t dirty_first_ = UINT32_MAX;
  std::uint32_t dirty_last_ = 0;
  bool urgent_ = false;
  bool quiet_ = false;
};

static_assert(sizeof(std::atomic<std::uint64_t>) == 8);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

}  // namespace squall::mirror
