#pragma once
// Memory for large objects. It has a name as a region, so that peers can be shown it again and
// again without a word about it, and comes from a pool with a limit: who has no room waits. Any
// thread.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/time.h"
#include "core/fabric/fabric.h"
#include "core/fabric/memory.h"

namespace squall::mirror {

class Pool;

/// What a buffer lies in.
struct Slab {
  fabric::Memory memory;
  fabric::RegionId region{};
  bool exposed = false;  ///< the engine's
  bool spent = false;    ///< not to be written again: somebody may still read it
};

/// Movable. Gives its memory back when it goes.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept { *this = std::move(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(slab_, other.slab_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Buffer();

  explicit operator bool() const { return slab_ != nullptr; }
  std::size_t size() const { return bytes_; }
  /// What it holds, at the beginning of a page. Whatever was there before is there still.
  MutableBytes bytes() const {
    return slab_ ? MutableBytes{slab_->memory.data(), bytes_} : MutableBytes{};
  }
  /// Makes it shorter.
  void shrink(std::size_t bytes) { bytes_ = bytes < bytes_ ? bytes : bytes_; }

  // --- for the engine

  Slab* slab() const { return slab_.get(); }
  bool is_of(const Pool& pool) const { return pool_.get() == &pool; }

 private:
  friend class Pool;
  Buffer(std::shared_ptr<Pool> pool, std::unique_ptr<Slab> slab, std::size_t bytes)
      : pool_(std::move(pool)), slab_(std::move(slab)), bytes_(bytes) {}

  std::shared_ptr<Pool> pool_;
  std::unique_ptr<Slab> slab_;
  std::size_t bytes_ = 0;
};

class Pool : public std::enable_shared_from_this<Pool> {
 public:
  /// Hands out at most `limit_bytes`, and keeps what comes back. Its regions are named from `first`
  /// on.
  static std::shared_ptr<Pool> create(std::size_t limit_bytes, fabric::RegionId first);

  /// Code::too_large over the limit, Code::would_block while others have the room, Code::io when
  /// the host has no memory, of which it logs a line, at most one a second: who waits for a place
  /// asks again and again.
  Result<Buffer> take(std::size_t bytes);
  /// The same whatever the limit says.
  Result<Buffer> take_anyway(std::size_t bytes);
  std::size_t limit() const { return limit_; }
  /// Given out, or kept for the next.
  std::size_t bytes() const;

  // --- the engine

  bool has_retired() const { return has_retired_.load(std::memory_order_acquire); }
  /// What was given up to make room for other sizes, and peers may still be shown.
  std::vector<std::unique_ptr<Slab>> take_retired();

 private:
  friend class Buffer;
  Pool(std::size_t limit_bytes, fabric::RegionId first) : limit_(limit_bytes), next_(first) {}
  Result<Buffer> take(std::size_t bytes, bool anyway);
  void give_back(std::unique_ptr<Slab> slab);

  const std::size_t limit_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Slab>> idle_;  // the one that came back last is the last
  std::vector<std::unique_ptr<Slab>> retired_;
  std::atomic<bool> has_retired_{false};
  std::size_t bytes_ = 0;  // of all but the retired
  fabric::RegionId next_;
  Time next_line_{};
};

}  // namespace squall::mirror
