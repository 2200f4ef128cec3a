#include "core/mirror/buffer.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/ids.h"
#include "core/base/log.h"

namespace squall::mirror {
namespace {

// What is kept serves who asks for less, but not for much less.
bool serves(std::size_t has, std::size_t wanted) {
  constexpr std::size_t slack = std::size_t{64} << 10;
  return has >= wanted && has <= 2 * wanted + slack;
}

}  // namespace

Buffer::~Buffer() {
  if (slab_) pool_->give_back(std::move(slab_));
}

std::shared_ptr<Pool> Pool::create(std::size_t limit_bytes, fabric::RegionId first) {
  return std::shared_ptr<Pool>(new Pool(limit_bytes, first));
}

Result<Buffer> Pool::take(std::size_t bytes) {
  if (bytes > limit_)
    return fail(Code::too_large,
                fmt::format("an object of {} bytes; large objects have {}", bytes, limit_),
                "raise the group's large_memory, or cut it into pieces");
  return take(bytes, false);
}

Result<Buffer> Pool::take_anyway(std::size_t bytes) {
  return take(bytes, true);
}

Result<Buffer> Pool::take(std::size_t bytes, bool anyway) {
  const std::lock_guard lock(mutex_);
  // The one used last is the one most likely to be in the caches, and in the peers' page tables.
  for (auto at = idle_.rbegin(); at != idle_.rend(); ++at) {
    if (!serves((*at)->memory.size(), bytes)) continue;
    auto slab = std::move(*at);
    idle_.erase(std::next(at).base());
    return Buffer(shared_from_this(), std::move(slab), bytes);
  }
  while (bytes_ + bytes > limit_ && !idle_.empty()) {
    bytes_ -= idle_.front()->memory.size();
    retired_.push_back(std::move(idle_.front()));
    idle_.erase(idle_.begin());
    has_retired_.store(true, std::memory_order_release);
  }
  if (bytes_ + bytes > limit_ && bytes_ != 0 && !anyway) return fail(Code::would_block, {});
  auto memory = fabric::Memory::create(bytes);
  if (!memory) {
    if (const Time now = Monotonic::now(); now >= next_line_) {
      next_line_ = now + 1s;
      log(Level::warning, "there is no memory for an object of {} bytes: {}", bytes,
          memory.error().text());
    }
    return tl::unexpected(memory.error());
  }
  auto slab = std::make_unique<Slab>();
  slab->memory = std::move(*memory);
  slab->region = next_;
  next_ = fabric::RegionId{raw(next_) + 1};
  bytes_ += slab->memory.size();
  return Buffer(shared_from_this(), std::move(slab), bytes);
}

void Pool::give_back(std::unique_ptr<Slab> slab) {
  const std::lock_guard lock(mutex_);
  if (bytes_ <= limit_ && !slab->spent) {
    idle_.push_back(std::move(slab));
    return;
  }
  bytes_ -= slab->memory.size();
  retired_.push_back(std::move(slab));
  has_retired_.store(true, std::memory_order_release);
}

std::size_t Pool::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

std::vector<std::unique_ptr<Slab>> Pool::take_retired() {
  const std::lock_guard lock(mutex_);
  has_retired_.store(false, std::memory_order_relaxed);
  return std::exchange(retired_, {});
}

}  // namespace squall::mirror
