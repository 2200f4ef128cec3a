#include "core/mirror/table.h"

#include <algorithm>

#include "core/base/assert.h"
#include "core/base/ring_math.h"

namespace squall::mirror {

namespace {
constexpr std::uint32_t counters_per_line = cache_line_bytes / sizeof(std::uint64_t);
}

Column TableLayout::add(std::uint32_t count, Place place) {
  if (place == Place::own_line)
    next_ = static_cast<std::uint32_t>(round_up(next_, counters_per_line));
  const Column column{next_, count};
  next_ += count;
  return column;
}

std::size_t TableLayout::row_bytes() const {
  return round_up(std::max<std::size_t>(next_, 1) * sizeof(std::uint64_t), cache_line_bytes);
}

Result<std::unique_ptr<Table>> Table::create(fabric::Fabric& fabric, fabric::RegionId region,
                                             const TableLayout& layout, Rank self,
                                             const std::vector<fabric::PeerId>& peers) {
  auto memory = fabric::Memory::create(layout.row_bytes());
  if (!memory) return tl::unexpected(memory.error());
  std::unique_ptr<Table> table(new Table(fabric, region, std::move(*memory), layout.row_bytes()));
  if (auto exposed = fabric.expose(region, table->memory_); !exposed)
    return tl::unexpected(exposed.error());
  table->rows_.resize(peers.size());
  for (Rank rank = 0; rank < peers.size(); ++rank) {
    if (rank == self) {
      table->rows_[rank] = table->memory_.data();
      continue;
    }
    auto row = fabric.import(peers[rank], region, layout.row_bytes());
    if (!row) return tl::unexpected(row.error());
    table->rows_[rank] = *row;
    table->peers_rows_.push_back(*row);
  }
  return table;
}

Table::~Table() {
  fabric_.conceal(region_);
}

void Table::store(Column column, std::uint32_t index, std::uint64_t value) {
  const std::uint32_t at = column.first + index;
  auto& mine = reinterpret_cast<std::atomic<std::uint64_t>*>(memory_.data())[at];
  SQUALL_ASSERT(index < column.count, "a counter outside of its column");
  SQUALL_ASSERT(value >= mine.load(std::memory_order_relaxed), "counters never decrease");
  mine.store(value, std::memory_order_release);
  dirty_first_ = std::min(dirty_first_, at);
  dirty_last_ = std::max(dirty_last_, at + 1);
}

void Table::raise(Column column, std::uint32_t index, std::uint64_t value) {
  store(column, index, value);
  urgent_ = true;
}

void Table::raise_quietly(Column column, std::uint32_t index, std::uint64_t value) {
  store(column, index, value);
  quiet_ = true;
}

bool Table::push(bool quiet_too) {
  if (!urgent_ && !(quiet_too && quiet_)) return false;
  // Line by line, always the same ranges: a fabric may let a push wait for a newer one of its
  // range, and a counter must not get past the one beside it that it was raised after.
  const std::size_t end = round_up(dirty_last_ * sizeof(std::uint64_t), cache_line_bytes);
  std::size_t at = dirty_first_ * sizeof(std::uint64_t) / cache_line_bytes * cache_line_bytes;
  for (; at < end; at += cache_line_bytes) {
    const auto pushed = fabric_.push(region_, at, cache_line_bytes, fabric::Lane::urgent);
    SQUALL_ASSERT(pushed, "a row lies within its region");
  }
  settle();
  return true;
}

void Table::settle() {
  dirty_first_ = UINT32_MAX;
  dirty_last_ = 0;
  urgent_ = quiet_ = false;
}

void Table::push_to(fabric::PeerId peer) {
  const std::size_t piece = fabric_.capabilities().inline_bytes & ~std::size_t{7};
  for (std::size_t at = 0; at < row_bytes_; at += piece) {
    // A peer that is lost meanwhile needs nothing more; its loss is an event of its own.
    static_cast<void>(
        fabric_.push_to(peer, region_, at, std::min(piece, row_bytes_ - at), fabric::Lane::urgent));
  }
}

}  // namespace squall::mirror
